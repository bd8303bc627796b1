"""`symloss analyze` from the command line."""

import json

import pytest
from cli_helpers import succeed, symloss


def test_a_loss_of_the_catalogue_is_explained():
    text = " ".join(succeed("analyze sparse-lsr --classes 4").split())
    assert "multiclass, 4 classes" in text
    assert "stationary where the target's probability is 0.925, where label smoothing of 0.1 is" in text


def test_a_formula_needs_its_kind():
    data = json.loads(succeed("analyze 'max(0.7 * (y - p), 0.3 * (p - y))' --kind regression --json"))
    assert data["findings"]["quantile"] == pytest.approx(0.7)


def test_the_best_of_a_run_is_explained(finished):
    data = json.loads(succeed(f"analyze {finished} --rank 1 --json"))
    shown = json.loads(succeed(f"show {finished} --json"))
    assert data["expression"] == shown[0]["expression"]


def test_a_figure_is_written_beside_the_text(tmp_path):
    file = tmp_path / "huber.svg"
    assert "outliers count" in succeed(f"analyze huber --figure {file}")
    assert file.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("analyze focl", "did you mean 'focal'"),
        ("analyze huber --classes 3", "--classes is for multiclass losses"),
        ("analyze focal --classes 1", "--classes"),
        ("analyze focal --figure loss.jpg", "ends in .png, .pdf, .svg"),
        ("analyze focal --figure none/loss.png", "the folder 'none' does not exist"),
        ("analyze 'square(p - y)'", "needs its kind of task"),
        ("analyze focal --rank 1", "no run folder"),
    ],
)
def test_a_mistake_gets_one_sentence(command, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = symloss(command)
    assert result.exit_code in (1, 2)
    message = result.output.partition("Error: ")[2]
    assert words in message
    assert len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_figure_is_left_as_it_is(tmp_path):
    file = tmp_path / "mine.png"
    file.write_text("mine")
    result = symloss(f"analyze huber --figure {file}")
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert file.read_text() == "mine"
    succeed(f"analyze huber --figure {file} --overwrite")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_loss_is_looked_at_with_the_classes_it_was_found_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    succeed("search --task wine TINY --out run")
    assert "multiclass, 3 classes" in succeed("analyze run")
    succeed("export run --output my_loss.py")
    assert "multiclass, 3 classes" in succeed("analyze my_loss.py")
    assert "multiclass, 5 classes" in succeed("analyze my_loss.py --classes 5")
