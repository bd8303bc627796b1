"""From a loss that is code to a run, and searches that start from formulas."""

import json

import pytest
from cli_helpers import contents, succeed, symloss

FAST = "--seconds 2 --size 8"
TRAIN = "--model linear --set training.steps=20 --set training.learning_rate=0.05 --set tuning.steps=3 "
TRAIN += "--set finalists.count=2 --set finalists.seeds=2"


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The folder of a loss that was learned for a moment."""
    folder = tmp_path_factory.mktemp("learned") / "ada"
    succeed(f"train-loss adalfl --model linear --meta-steps 20 --steps 40 --set snapshots=8 --out {folder}")
    return folder


def test_distilled_formulas_are_a_run_like_any_other(tmp_path):
    shown = succeed(f"distill cross-entropy --kind multiclass {FAST} {TRAIN} --out {tmp_path / 'run'}")
    assert "-(y * log(p))" in shown
    rows = json.loads(succeed(f"show {tmp_path / 'run'} --json"))
    assert any(row["formula"] == "-(y * log(p))" for row in rows)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["distilled"]
    assert record["source"] == "cross-entropy"
    errors = [row["error"] for row in record["front"]]
    assert errors == sorted(errors, reverse=True)
    assert "def loss(" in succeed(f"export {tmp_path / 'run'} --format numpy")


def test_a_learned_loss_is_distilled_at_a_step_and_over_time(learned, tmp_path):
    assert "step 0" in symloss(f"distill {learned} --at 0 {FAST}").output
    assert "* the smallest" in succeed(f"distill {learned} {FAST}")
    path = tmp_path / "moving.py"
    assert "progress 1.00" in succeed(f"distill {learned} --over-time {FAST} --out {path}")
    assert "progress: float" in path.read_text()
    scored = succeed(f"score {path}:Loss --task digits --model linear --train-size 100 --steps 5 --seeds 1")
    assert 0.0 < float(scored) < 1.0
    before = contents(tmp_path)
    again = symloss(f"distill {learned} --over-time {FAST} --out {path}")
    assert again.exit_code == 1
    assert "exists already" in again.output
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("distill focal --at 3", "--at chooses a moment of a learned loss"),
        ("distill focal --over-time", "follows a learned loss"),
        ("distill nothing.py:loss", "needs its kind of task"),
        ("distill nothing.py:loss --kind binary", "there is no file"),
        ("distill focal --seconds 1 --engine pysr", "pip install"),
    ],
)
def test_mistakes_get_a_sentence(command, words):
    result = symloss(command)
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


def test_seeds_are_in_the_record_and_a_run_goes_on_without_their_file(tmp_path):
    path = tmp_path / "seeds.txt"
    path.write_text("-(y * log(p))  # mine\nsin(p)\n")
    folders = [tmp_path / name for name in ("whole", "resumed")]
    shown = [succeed(f"search TINY --seeds {path} --out {folder}") for folder in folders]
    assert "starting from 1 seed; 1 left out" in shown[0]
    (first, *_) = [json.loads(line) for line in (folders[0] / "candidates.jsonl").read_text().splitlines()]
    assert first["operation"] == "seed"
    path.unlink()
    (folders[1] / "state.json").unlink()  # as if it had died in its first generation
    lines = (folders[1] / "candidates.jsonl").read_text().splitlines(keepends=True)
    (folders[1] / "candidates.jsonl").write_text("".join(lines[:2]))
    succeed(f"resume {folders[1]}")
    whole, resumed = ((folder / "candidates.jsonl").read_text() for folder in folders)
    assert whole == resumed
