"""`symloss evaluate` and `symloss score` as a user calls them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from symloss.cli import main
from symloss.cli.evaluate import BUDGET_FIELDS, divided
from symloss.cli.evaluate import command as evaluate_command
from symloss.config import TaskSettings
from symloss.evaluation.settings import Budget

SMALL = ["--task", "digits", "--model", "linear", "--train-size", "200", "--steps", "10"]
SMALL += ["--set", "learning_rates=[0.01, 0.1]", "--set", "widen=0"]
JUDGED = ["evaluate", "brier", "--seeds", "3", "--choosing-seeds", "1", *SMALL]


def called(*arguments):
    return CliRunner().invoke(main, arguments)


def test_evaluate_writes_reports_and_the_same_command_trains_nothing_again(tmp_path):
    out = str(tmp_path / "out")
    first = called(*JUDGED, "--against", "focal,cross-entropy", "--out", out)
    assert first.exit_code == 0, first.output
    assert "brier against" in first.stdout
    names = {"evaluation.json", "trials.jsonl", "results.json", "report.md", "report.tex", "curves-1.svg"}
    names |= {"timing.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    trials = (tmp_path / "out" / "trials.jsonl").read_bytes()
    again = called(*JUDGED, "--against", "focal,cross-entropy", "--out", out, "--json")
    assert json.loads(again.stdout) == json.loads((tmp_path / "out" / "results.json").read_text())
    assert (tmp_path / "out" / "trials.jsonl").read_bytes() == trials


def test_an_evaluation_that_was_cut_off_is_resumed(tmp_path):
    out = tmp_path / "out"
    whole = called(*JUDGED, "--against", "focal", "--out", str(out))
    results, trials = (out / "results.json").read_bytes(), (out / "trials.jsonl").read_bytes()
    lines = trials.splitlines(keepends=True)
    (out / "trials.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:20])
    (out / "results.json").unlink()
    resumed = called("resume", str(out))
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == whole.stdout
    assert (out / "trials.jsonl").read_bytes() == trials
    assert (out / "results.json").read_bytes() == results
    (out / "evaluation.json").write_text("{}")
    damaged = called("resume", str(out))
    assert damaged.exit_code == 1
    assert "evaluation.json' is damaged" in damaged.output


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    found = called(*JUDGED, "--out", str(tmp_path))
    assert found.exit_code == 1
    assert "exists and is not empty" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_score_prints_one_number_or_json():
    score = ["score", "focal", *SMALL[:-2], "--seeds", "1"]
    number = called(*score)
    data = json.loads(called(*score, "--json").stdout)
    assert float(number.stdout) == data["score"]
    fixed = json.loads(called(*score[:-2], "--seeds", "2", "--learning-rate", "0.05", "--json").stdout)
    assert (fixed["learning_rate"], fixed["tried"], len(fixed["per_seed"])) == (0.05, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*JUDGED, "--against", "focall"], "did you mean 'focal'"),
        ([*JUDGED, "--against", "brier"], "nothing to compare"),
        (
            [*JUDGED, "--set", "choosing_seed=3"],
            "unknown setting 'choosing_seed': did you mean 'choosing_seeds'?",
        ),
        ([*JUDGED, "--set", "training.learning_rate=0.1"], "every loss gets its own"),
        (["evaluate", "huber", *SMALL], "regression"),
        (["score", "brier", *SMALL, "--metrics", "x"], "No such option"),
        ([*JUDGED, "--metrics", "mse"], "not defined for multiclass"),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_a_sentence(arguments, message):
    found = called(*arguments)
    assert found.exit_code != 0
    assert message in " ".join(found.output.split())
    assert "Traceback" not in found.output


def test_a_run_brings_its_task(finished):
    found = called("evaluate", str(finished), "--seeds", "2", "--choosing-seeds", "1", *SMALL[6:], "--json")
    assert found.exit_code == 0, found.output
    (task,) = json.loads(found.stdout)["tasks"]
    assert task["title"].startswith("digits")
    assert task["rows"][0]["name"].startswith(finished.name)


def test_commas_in_formulas_divide_nothing():
    assert divided("focal, min(p, y) ,focal(gamma=1),") == ["focal", "min(p, y)", "focal(gamma=1)"]


def test_every_setting_of_a_task_and_of_the_main_budget_is_an_option():
    options = {parameter.name for parameter in evaluate_command.params}
    assert set(TaskSettings.__struct_fields__) < options
    assert set(BUDGET_FIELDS) < set(Budget.__struct_fields__)


def test_two_known_losses_are_compared_with_each_other(tmp_path):
    words = ["--seeds", "2", "--choosing-seeds", "1", *SMALL, "--out", str(tmp_path / "out")]
    result = called("evaluate", "cross-entropy", "brier", *words)
    assert result.exit_code == 0, result.output
    assert "brier against" in result.output
    assert "cross-entropy against" not in result.output
