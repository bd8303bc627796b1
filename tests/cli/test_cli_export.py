"""Exporting by name, verifying and reading back, from the command line."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
from cli_helpers import succeed, symloss

from symloss.expr import parse_expression, print_expression
from symloss.losses.catalogue import CATALOGUE


def test_a_loss_of_the_catalogue_is_exported_verified_and_read_back(here):
    succeed("export focal --output focal.py")
    text = (here / "focal.py").read_text()
    assert "reference: Lin et al. 2017" in text
    assert "verified: executed on its own" in text
    assert "executed on its own" in succeed("verify focal.py")
    assert succeed("import focal.py").strip() == print_expression(CATALOGUE["focal"].exact)
    succeed("import focal.py --output focal.json")
    again = succeed("export focal.json --format json")
    assert json.loads(again)["expression"] == print_expression(CATALOGUE["focal"].exact)


def test_a_file_that_was_changed_does_not_pass(here):
    succeed("export mse --format numpy --output mse_numpy.py")
    text = (here / "mse_numpy.py").read_text()
    (here / "wrong.py").write_text(
        text.replace("difference_1 * difference_1", "difference_1 * abs(difference_1)")
    )
    assert (here / "wrong.py").read_text() != text
    refused = symloss("verify wrong.py")
    assert refused.exit_code == 1
    assert "differs from the loss" in refused.output
    several = symloss("verify mse_numpy.py wrong.py")
    assert several.exit_code == 1
    assert "1 of 2 files did not pass" in several.output


def test_a_formula_is_exported_for_its_kind_of_task(here):
    text = succeed("export abs(p-y)+0.5*square(p-y) --kind regression --format numpy")
    assert text.startswith('"""A loss function: the mean of these values')
    assert "found by" not in text
    assert "kind: regression" in text


def test_a_formula_may_start_with_a_minus(here):
    """Wherever it stands: it is not taken for an option, and an option not for a formula."""
    for command in (
        "export -y*ln(p) --kind multiclass --format json",
        "export --kind multiclass '-y * ln(p)' --format json",
        "export --kind multiclass --format json -- -y*ln(p)",
    ):
        assert json.loads(succeed(command))["formula"] == "-y * ln(p)", command
    assert symloss("export -kind multiclass").exit_code == 2


def test_guards_are_dropped_when_asked(here):
    formula = "-(y*log(p))-0.1*y*log(1-p)"
    kept = succeed(f"export --kind multiclass --format json -- {formula}")
    dropped = succeed(f"export --kind multiclass --format json --guards drop -- {formula}")
    assert "log(prediction)" in json.loads(kept)["expression"]
    assert json.loads(dropped)["expression"].count("ln(") == 2
    assert "left out" in json.loads(dropped)["facts"]["guards"]


def test_trained_constants_come_back(here):
    import torch

    succeed("export y*square(0.7-p) --kind multiclass --learnable --output tuned.py")
    torch.save({"constants": torch.tensor([0.875], dtype=torch.float64)}, here / "state.pt")
    assert "0.875" in succeed("import tuned.py --state state.pt")
    torch.save({"constants": torch.tensor([0.875, 1.0])}, here / "two.pt")
    refused = symloss("import tuned.py --state two.pt")
    assert "the formula has 1 constants, found 2" in refused.output


def test_jax_code_is_checked_like_the_others(here):
    pytest.importorskip("jax")
    text = succeed("export generalised-cross-entropy --format jax")
    assert "verified: executed on its own" in text
    assert "float64: value under 1e-1" in text


def test_an_onnx_model_is_made_run_and_read_back(here):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    succeed("export sparse-lsr --format onnx --output sparse.onnx")
    assert "float32: value under 1e-5" in succeed("verify sparse.onnx")
    assert parse_expression(succeed("import sparse.onnx").strip()) == CATALOGUE["sparse-lsr"].exact
    (here / "junk.onnx").write_bytes(b"junk")
    assert "is not an ONNX model" in symloss("import junk.onnx").output
    refused = symloss("export sparse-lsr --format onnx")
    assert refused.exit_code != 0
    assert "give a file with --output" in refused.output


def test_a_format_whose_library_is_missing_says_so(here, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jax" else find(name))
    refused = symloss("export focal --format jax")
    assert refused.exit_code == 1
    assert "jax is not installed; pip install jax" in refused.output


def test_help_opens_without_torch():
    code = (
        "import sys; from symloss.cli.main import main\n"
        "try: main(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'sympy', 'jax'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_rounded_constants_are_trained_with_when_asked(finished):
    result = symloss(f"export {finished} --format latex --digits 2 --rescore")
    assert result.exit_code == 0
    assert "trained again from 5 seeds at learning rate" in result.stderr
    sentence = result.stderr.splitlines()[0]
    assert f"% rescored: {sentence}" in result.stdout
    exact = symloss(f"export {finished} --format json --digits 17 --rescore")
    found = re.search(r" is (\S+) instead of (\S+)", exact.stderr)
    assert found[1] == found[2]  # nothing was rounded
    assert json.loads(exact.stdout)["facts"]["rescored"] == exact.stderr.splitlines()[0]
    assert "--rescore is for a candidate" in symloss("export focal --rescore --digits 2").output


def test_a_loss_for_regression_says_in_which_units_its_targets_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    succeed("search --task diabetes TINY --out run")
    result = symloss("export run --output my_loss.py")
    assert "note: targets standardised: mean 155" in result.output
    text = (tmp_path / "my_loss.py").read_text()
    assert "data: targets standardised: mean 155" in text
    assert "Scale your targets likewise" in text
    again = succeed("export my_loss.py --format latex")
    assert "both in units of standardised targets" in again
    assert "% data: targets standardised: mean 155" in again
    assert "% task: diabetes" in again
    assert "Scale your targets" not in succeed("export mse")


def test_the_format_is_that_of_the_name_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file, sign in [
        ("a.tex", "\\["),
        ("a.json", '"format"'),
        ("a_numpy.py", "import numpy"),
        ("a.py", "import torch"),
    ]:
        succeed(f"export focal --output {file}")
        assert sign in (tmp_path / file).read_text()
    succeed("export focal --format latex --output b.txt")
    assert "\\[" in (tmp_path / "b.txt").read_text()
