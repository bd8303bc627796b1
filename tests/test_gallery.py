"""The gallery in exported/: up to date, standalone, finite, and compared so that a difference is noticed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from symloss.errors import ExportError
from symloss.export import Header, read_export, runner
from symloss.gallery import add, built, checked, differences, entries, left_over, write_gallery
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind
from symloss.report.curves import sealed

EXPORTED = Path(__file__).resolve().parent.parent / "exported"
TORCH = sorted(path for path in EXPORTED.glob("*.py") if not path.stem.endswith("_numpy"))


@pytest.fixture(scope="module")
def files():
    """Every file as it should be. Executes all of the code in one process without symloss."""
    return built(EXPORTED)


def test_the_gallery_is_up_to_date(files):
    assert differences(EXPORTED, files) == []
    assert left_over(EXPORTED, files) == []


def test_the_gallery_holds_the_catalogue_and_what_was_discovered(files):
    found = entries(EXPORTED)
    assert {entry.name.replace("_", "-") for entry in found} >= set(CATALOGUE)
    assert sum(entry.discovered for entry in found) >= 2
    for entry in found:
        for suffix in (".py", "_numpy.py", ".tex", ".json", ".svg"):
            assert f"{entry.name}{suffix}" in files
            assert f"({entry.name}{suffix})" in files["README.md"]
        assert not entry.discovered or "symloss search" in entry.header.found_by


def test_differences_are_noticed(files, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(EXPORTED, folder)
    text = (folder / "focal.py").read_text()
    (folder / "focal.py").write_text(text.replace("return -", "return +"))
    (folder / "huber_numpy.py").unlink()
    (folder / "mse.svg").write_text((folder / "mae.svg").read_text())
    (folder / "mae.json").write_bytes(b"\xff")
    assert sorted(differences(folder, files)) == ["focal.py", "huber_numpy.py", "mae.json", "mse.svg"]
    (folder / "stray.py").write_text("")
    assert left_over(folder, files) == ["stray.py"]


def test_a_picture_is_compared_by_what_it_shows(files, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(EXPORTED, folder)
    text = (folder / "mse.svg").read_text()
    other = text.replace("<path", "<!-- another font --><path", 1)
    (folder / "mse.svg").write_text(sealed(other))
    assert differences(folder, files) == []
    (folder / "mse.svg").write_text(other)  # by hand
    assert differences(folder, files) == ["mse.svg"]
    place = re.search(r"L (\d+\.\d+) (\d+\.\d+)", text)
    (folder / "mse.svg").write_text(text.replace(place[0], f"L {place[1]} 0.0"))
    assert differences(folder, files) == ["mse.svg"]


def test_a_discovered_loss_is_written_from_its_json(monkeypatch, tmp_path):
    monkeypatch.setattr("symloss.gallery.CATALOGUE", {})
    loss = read_export(EXPORTED / "digits_label_noise.json").loss
    header = Header(found_by="symloss search --seed 3", task="digits", fitness=0.25, seed=3, candidate=7)
    with pytest.raises(ExportError, match="states the command that found it"):
        add(tmp_path, "mine", loss, replace(header, found_by=""))
    add(tmp_path, "mine", loss, header)
    with pytest.raises(ExportError, match=r"not up to date: README.md, mine.py"):
        checked(tmp_path)
    assert "mine.py" in write_gallery(tmp_path)
    assert write_gallery(tmp_path) == []
    checked(tmp_path)
    (entry,) = entries(tmp_path)
    assert entry.header == header
    assert entry.loss == loss
    assert "found by: symloss search --seed 3" in (tmp_path / "mine.py").read_text()


HOSTILE = {
    "no JSON": "{",
    "another type": json.dumps([1, 2]),
    "another field": json.dumps({"format": "symloss loss 1", "surprise": 1}),
    "nested deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_states_no_loss_gets_a_sentence(text, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ExportError, match=r"bad\.json"):
        entries(tmp_path)


# Runs a file in an interpreter that sees neither this project nor the current directory.
PROBE = """
import importlib.util, sys
sys.modules["symloss"] = None
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.loss)
print("ok")
"""


def test_every_file_can_be_imported_where_there_is_no_symloss():
    paths = [str(path) for path in EXPORTED.glob("*.py")]
    command = [sys.executable, "-I", "-W", "error", "-c", PROBE, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "ok", done.stderr


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_outputs_of_ten_thousand_give_finite_values_and_gradients(dtype):
    for path in TORCH:
        kind = read_export(path).loss.kind
        eye = 1e4 * torch.eye(4)
        z = torch.cat([eye, -eye, eye - 1e4, 0.0 * eye]).to(dtype).requires_grad_()
        y = torch.arange(16) % 4
        y = y if kind is Kind.MULTICLASS else (y[:, None] < torch.arange(4)).float()
        with torch.autocast("cpu", dtype=dtype, enabled=dtype.itemsize == 2):
            value = runner.load(path.read_text()).loss(z, y)
        value.backward()
        assert value.isfinite(), path.stem
        assert z.grad.isfinite().all(), path.stem
