"""The files in exported/ stand on their own, and the two languages of each loss agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from symloss.export import verify_code
from symloss.expr import parse_expression
from symloss.records import Kind, SymbolicLoss

EXPORTED = Path(__file__).resolve().parent.parent / "exported"
TORCH = sorted(p for p in EXPORTED.glob("*.py") if not p.stem.endswith("_numpy"))

# Runs a file in an interpreter that sees neither this project nor the current directory.
PROBE = """
import importlib.util, json, sys
import numpy as np
sys.modules["symloss"] = None
spec = importlib.util.spec_from_file_location("exported", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
z = np.linspace(-3, 3, 20).reshape(5, 4)
y = np.arange(5) % 4 if sys.argv[2] == "multiclass" else np.cos(z)
if hasattr(module, "gradient"):
    value, slope = module.loss(z, y), module.gradient(z, y)
else:
    import torch
    leaf = torch.tensor(z, requires_grad=True)
    loss = module.Loss()(leaf, torch.tensor(y))
    loss.backward()
    value, slope = loss.item(), leaf.grad.numpy()
print(json.dumps([float(value), np.asarray(slope).ravel().tolist()]))
"""


def fact(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", text, flags=re.MULTILINE)
    assert found, f"the header has no {name}"
    return found.group(1)


def probe(path: Path, kind: str) -> list[float]:
    command = [sys.executable, "-I", "-c", PROBE, str(path), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    value, slope = json.loads(done.stdout)
    return [value, *slope]


def test_there_are_exported_losses():
    assert len(TORCH) >= 2


@pytest.mark.parametrize("path", TORCH, ids=lambda path: path.stem)
def test_pytorch_and_numpy_agree_without_symloss(path):
    kind = fact(path.read_text(), "kind")
    ours, twin = probe(path, kind), probe(path.with_name(f"{path.stem}_numpy.py"), kind)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, twin, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("path", TORCH, ids=lambda path: path.stem)
def test_a_file_computes_the_expression_in_its_header(path):
    text = path.read_text()
    loss = SymbolicLoss(parse_expression(fact(text, "expression")), Kind(fact(text, "kind")))
    verify_code(loss, text, "torch")
    twin = path.with_name(f"{path.stem}_numpy.py").read_text()
    verify_code(loss, twin, "numpy")
