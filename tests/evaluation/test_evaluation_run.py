"""Whole evaluations on small data: fairness, resuming, reports, and what cannot be compared."""

from __future__ import annotations

import io
import json
import math
import re
import textwrap
from dataclasses import replace

import pytest
from rich.console import Console

import symloss.evaluation.work as room
from symloss.config import TaskSettings
from symloss.errors import SymlossError
from symloss.evaluation.choosing import choose
from symloss.evaluation.comparing import evaluate, score
from symloss.evaluation.contestants import Contestant, Version, contestants_for, source_of
from symloss.evaluation.figures import learning_curves
from symloss.evaluation.reports import reports
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.evaluation.subject import subject_of
from symloss.evaluation.tables import as_latex, as_markdown, as_rich
from symloss.evaluation.training import Trained, steps_looked_at
from symloss.evaluation.work import FRESH_SEEDS
from symloss.expr import parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.meta.settings import Training
from symloss.records import Kind

TRAINING = Training(steps=12, batch_size=32, network="chain", models_at_once=4)
BUDGET = Budget(
    seeds=4, choosing_seeds=2, learning_rates=(0.01, 0.1), widen=1, curve_points=3, training=TRAINING
)
DIGITS = TaskSettings(task="digits", model="linear", train_size=200, label_noise=0.2)


def settings(*losses, against=(), tasks=(DIGITS,), **changes):
    return EvaluationSettings(losses=losses, against=against, tasks=tasks, budget=BUDGET, **changes)


@pytest.fixture(scope="module")
def found():
    return evaluate(settings("brier", against=("cross-entropy", "focal"), metrics=("balanced-error",)))


def test_every_loss_is_tested_on_the_same_seeds(found):
    (task,) = found.tasks
    assert [row.name for row in task.rows] == ["brier", "cross-entropy", "focal"]
    for row in task.rows:
        assert {name: len(costs) for name, costs in row.test.items()} == {"error": 4, "balanced-error": 4}
        assert len(row.curve) == len(task.steps) == 3
        assert row.tried in (2, 3)
    assert [(c.first, c.second) for c in task.comparisons] == [("brier", "cross-entropy"), ("brier", "focal")]


def test_all_published_losses_are_meant_by_all_also_beside_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all").mkdir()
    compared = subject_of(settings("p * y", against=("all",)), DIGITS).contestants
    assert "focal" in [own.name for own in compared]


def test_a_loss_against_itself_is_a_tie_in_every_seed():
    """The formula of the search and torch's own function are one loss here."""
    (task,) = evaluate(settings("-(y * log(p))", against=("cross-entropy",))).tasks
    ours, theirs = task.rows
    assert ours.test == theirs.test
    assert task.comparisons[0].verdict == "tie"


def test_no_learning_rate_is_chosen_with_a_seed_that_is_tested(monkeypatch):
    seen = []
    train = room.train_networks

    def watched(task, jobs, training, batch_seed, looks, tick):
        seen.append((looks.test, {job.seed for job in jobs} | {batch_seed}))
        return train(task, jobs, training, batch_seed, looks, tick)

    monkeypatch.setattr(room, "train_networks", watched)
    evaluate(settings("brier"))
    chosen = set().union(*(seeds for test, seeds in seen if not test))
    tested = set().union(*(seeds for test, seeds in seen if test))
    assert chosen == {0, 1}
    assert tested == {FRESH_SEEDS + i for i in range(4)}


def test_an_interrupted_evaluation_goes_on_and_ends_alike(tmp_path, monkeypatch):
    wanted = settings("brier", against=("cross-entropy",))
    whole = evaluate(wanted, tmp_path / "whole")
    train, left = room.train_networks, [3]

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(room, "train_networks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(wanted, tmp_path / "parts")
    trials = tmp_path / "parts" / "trials.jsonl"
    kept = trials.read_bytes()
    assert kept.count(b"\n") == 3
    trials.write_bytes(kept + b'{"key": "half a li')  # died while writing
    monkeypatch.setattr(room, "train_networks", train)
    assert evaluate(wanted, tmp_path / "parts") == whole
    assert trials.read_bytes() == (tmp_path / "whole" / "trials.jsonl").read_bytes()
    monkeypatch.setattr(room, "train_networks", interrupted)
    assert evaluate(wanted, tmp_path / "parts") == whole  # nothing is trained again
    with pytest.raises(SymlossError, match="not empty"):
        evaluate(replace_budget(wanted, seeds=5), tmp_path / "parts")


def replace_budget(wanted, **changes):
    import msgspec

    return msgspec.structs.replace(wanted, budget=msgspec.structs.replace(wanted.budget, **changes))


def test_a_grid_that_grows_downwards_ends_before_zero():
    asked = []

    def costs(version, decay, rates):
        asked.extend(rates)
        return [[Trained(None)]] * len(rates)

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    choose(only, Budget(learning_rates=(1e-300,), widen=200), costs)
    assert min(asked) > 0.0
    assert len(asked) == len(set(asked))


def test_the_grid_grows_towards_a_second_valley_beyond_its_end():
    """Squared error with outliers: networks that die at a high rate beat all but those far below the grid."""
    costs_at = {1e-5: 0.6, 3.2e-5: 0.7, 1e-4: 2.0, 1e-3: 9.0, 0.1: 1.0, 1.0: math.inf, 3.2e-6: 0.9}

    def costs(version, decay, rates):
        return [[Trained(c if math.isfinite(c := costs_at[rate]) else None)] for rate in rates]

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    choice = choose(only, Budget(learning_rates=(1e-4, 1e-3, 0.1, 1.0), widen=6), costs)
    assert choice.setting.learning_rate == 1e-5
    assert choice.tried == 7


def test_the_grid_grows_where_the_best_rate_ends_it_and_no_further():
    asked = []

    def costs(version, decay, rates):
        asked.extend(rates)
        return [[Trained(abs(math.log10(rate) - 1.0))] for rate in rates]  # best at 10

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    budget = Budget(learning_rates=(0.1, 1.0), widen=6)
    choice = choose(only, budget, costs)
    assert asked == [0.1, 1.0, 3.2, 10.0, 32.0]
    assert (choice.setting.learning_rate, choice.tried) == (10.0, 5)
    assert choose(only, replace_struct(budget, widen=1), costs).setting.learning_rate == 3.2


def test_the_grid_grows_downwards_where_networks_diverge_at_every_rate():
    asked = []

    def costs(version, decay, rates):
        asked.extend(rates)
        return [[Trained(1.0 + rate if rate < 2e-3 else None), Trained(1.0)] for rate in rates]

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    choice = choose(only, Budget(learning_rates=(0.01, 0.1), widen=6), costs)
    assert asked == [0.01, 0.1, 0.0032, 0.001, 0.00032, 0.0001, 3.2e-5, 1e-5]
    assert choice.setting.learning_rate == 1e-5
    nowhere = choose(
        only, Budget(learning_rates=(0.1,), widen=2), lambda v, d, rates: [[Trained(None)]] * len(rates)
    )
    assert nowhere.tried == 3
    assert math.isinf(nowhere.cost)


def replace_struct(struct, **changes):
    import msgspec

    return msgspec.structs.replace(struct, **changes)


def test_a_diverged_setting_is_never_chosen():
    def costs(version, decay, rates):
        return [[Trained(None if rate > 0.05 else 0.5)] for rate in rates]

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    assert choose(only, BUDGET, costs).setting.learning_rate <= 0.05


def test_the_setting_at_which_the_fewest_networks_diverge_is_chosen():
    def costs(version, decay, rates):
        return [
            [Trained(0.1), Trained(None)] if rate > 0.05 else [Trained(0.5), Trained(0.7)] for rate in rates
        ]

    only = Contestant("x", (Version("", parse_expression("square(p - y)")),), None, True)
    choice = choose(only, replace_struct(BUDGET, widen=0), costs)
    assert choice.setting.learning_rate <= 0.05
    assert choice.cost == pytest.approx(0.6)
    high = choose(only, replace_struct(BUDGET, widen=0, learning_rates=(0.1, 0.2)), costs)
    assert (high.cost, high.per_seed) == (float("inf"), (0.1, None))


def test_looks_on_the_way_end_with_the_last_step():
    assert steps_looked_at(10, 3) == [3, 7, 10]
    assert steps_looked_at(2, 10) == [1, 2]


def test_own_parameters_are_choices_and_all_means_the_whole_catalogue():
    rivals = contestants_for(Kind.MULTICLASS, ["y * (1 - p)"], ["all"], own_parameters=True)
    names = {row.name for row in CATALOGUE.values() if Kind.MULTICLASS in row.kinds}
    assert {own.name for own in rivals[1:]} == names - {"cse-autoloss-a"}  # a multiple of cross-entropy
    focal = next(own for own in rivals if own.name == "focal")
    assert len(focal.versions) == len(CATALOGUE["focal"].grid) > 1
    (fixed,) = contestants_for(Kind.MULTICLASS, ["brier"], ["focal(gamma=1)"], own_parameters=True)[1:]
    assert len(fixed.versions) == 1


CODE = """
import torch
from torch import nn

def entropy(outputs, labels):
    return nn.functional.cross_entropy(outputs, labels)

class Entropy(nn.CrossEntropyLoss):
    pass

def broken(outputs, labels):
    return outputs.nonsense()

def constant(outputs, labels):
    return torch.zeros(())

def number(outputs, labels):
    return 1.0

def short(outputs, labels):
    return outputs.sum(1)[:3]
"""


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(CODE))
    return path


@pytest.mark.parametrize("name", ["entropy", "Entropy"])
def test_a_users_function_or_module_is_judged_like_any_other(code, name):
    (task,) = evaluate(settings(f"{code}:{name}", against=("cross-entropy",))).tasks
    assert task.rows[0].test == task.rows[1].test


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (":broken", "nonsense"),
        (":constant", "does not depend on the outputs"),
        (":number", "returned a float, expected a tensor"),
        (":short", r"returned a tensor of shape \(3,\) for \d+ samples, expected one number"),
        (":missing", "has no 'missing'"),
    ],
)
def test_a_users_mistake_is_one_sentence(code, source, message):
    with pytest.raises(SymlossError, match=message):
        evaluate(settings(f"{code}{source}"))


def test_a_loss_of_another_kind_is_refused():
    with pytest.raises(SymlossError, match="regression"):
        evaluate(settings("huber"))


def test_regression_and_two_tasks_have_ranks():
    diabetes = TaskSettings(task="diabetes", model="linear", outliers=0.2)
    two = (diabetes, replace_struct(diabetes, data_seed=1))
    found = evaluate(settings("huber", "cauchy", against=("mse",), tasks=two))
    assert found.ranking is not None
    assert set(found.ranking.names) == {"huber", "cauchy", "mse"}
    assert sum(found.ranking.ranks) == pytest.approx(6)
    assert "Average ranks" in as_markdown(found)


def test_reports_hold_the_numbers(found):
    files = reports(found)
    assert set(files) == {"results.json", "report.md", "report.tex", "curves-1.svg"}
    data = json.loads(files["results.json"])
    (task,) = data["tasks"]
    assert task["rows"][0]["test"]["error"] == list(found.tasks[0].rows[0].test["error"])
    assert task["comparisons"][0]["verdict"] in ("win", "tie", "loss")
    mean = f"{found.tasks[0].rows[0].mean('error'):.4g}"
    assert mean in files["report.md"].decode()
    assert mean in files["report.tex"].decode()
    assert files == reports(found)


def test_names_cannot_break_out_of_a_report(found):
    evil = "a|b`c\\x_{}%&\n# <script>"
    (task,) = found.tasks
    renamed = replace(task, title=evil, rows=tuple(replace(row, name=evil) for row in task.rows))
    changed = replace(found, tasks=(replace(renamed, comparisons=()),))
    assert "<script>" not in as_markdown(changed).replace("\\<script", "")
    rows = [line for line in as_markdown(changed).split("\n") if line.startswith("| a")]
    assert rows
    assert all(line.replace("\\|", "").count("|") == 8 for line in rows)
    assert r"\%\&" in as_latex(changed)


def test_a_score_is_the_validation_cost_and_reproducible():
    first = score("brier", DIGITS, BUDGET)
    assert first == score("brier", DIGITS, BUDGET)
    assert first.score == pytest.approx(sum(first.per_seed) / 2)
    assert score("1e30 * (1e30 * square(p - y))", DIGITS, replace_struct(BUDGET, widen=0)).score is None


def test_a_loss_can_be_given_a_name():
    found = contestants_for(
        Kind.MULTICLASS, ["ours = -(y * log(p))"], ["focal(gamma=1)", "theirs=brier"], False
    )
    assert [own.name for own in found] == ["ours", "focal(gamma=1)", "theirs"]
    with pytest.raises(SymlossError, match="two losses are called 'x'"):
        contestants_for(Kind.MULTICLASS, ["x=brier", "x=focal"], ["cross-entropy"], False)


def test_a_loss_that_is_named_twice_takes_part_once():
    found = contestants_for(Kind.MULTICLASS, ["brier", "brier"], ["cross-entropy", "brier"], False)
    assert [(own.name, own.judged) for own in found] == [("brier", True), ("cross-entropy", False)]
    with pytest.raises(SymlossError, match="nothing to compare brier with"):
        contestants_for(Kind.MULTICLASS, ["brier"], ["brier"], False)


def test_an_evaluation_does_not_go_on_under_a_name_that_means_another_loss(tmp_path, monkeypatch):
    """A user's file, or the best of a search that went on, may have changed since."""
    file = tmp_path / "mine.py"
    file.write_text("def loss(outputs, labels):\n    return outputs.square().mean()\n")
    wanted = settings(f"{file}:loss", against=("cross-entropy",))
    evaluate(wanted, tmp_path / "out")
    file.write_text("def loss(outputs, labels):\n    return outputs.abs().mean()\n")
    with pytest.raises(SymlossError, match=r"mine\.py:loss' is another loss;"):
        evaluate(wanted, tmp_path / "out")


def test_an_evaluation_does_not_go_on_with_other_data(tmp_path):
    table = tmp_path / "data.csv"
    rows = [f"{i % 7},{i % 5},{i % 3}" for i in range(60)]
    table.write_text("a,b,kind\n" + "\n".join(rows))
    task = TaskSettings(task=f"table:{table}?target=kind&kind=multiclass", model="linear")
    wanted = settings("brier", against=("cross-entropy",), tasks=(task,))
    evaluate(wanted, tmp_path / "out")
    table.write_text("a,b,kind\n" + "\n".join(rows[::-1]))
    with pytest.raises(SymlossError, match="as it began: the data, the networks or the metric are others"):
        evaluate(wanted, tmp_path / "out")


def test_an_evaluation_does_not_go_on_with_other_versions(tmp_path, monkeypatch):
    wanted = settings("brier", against=("cross-entropy",))
    evaluate(wanted, tmp_path / "out")
    monkeypatch.setattr("symloss.evaluation.subject.__version__", "9.9")
    with pytest.raises(SymlossError, match=r"symloss is 9\.9 and was "):
        evaluate(wanted, tmp_path / "out")


@pytest.mark.parametrize("name", ["_hidden", "$x^2$", "a<b"])
def test_a_figure_shows_any_name_as_it_is(found, name):
    (task,) = found.tasks
    drawn = learning_curves(replace(task, rows=(replace(task.rows[0], name=name), *task.rows[1:])))
    assert drawn == learning_curves(replace(task, rows=(replace(task.rows[0], name=name), *task.rows[1:])))
    # Text is drawn as shapes; the comment beside them says which.
    assert f"<!-- {name.replace('<', '&lt;')} -->" in drawn.decode() or f"<!-- {name} -->" in drawn.decode()


def test_every_loss_gets_a_time_that_is_no_result(found):
    (task,) = found.tasks
    assert all(row.step_seconds > 0 for row in task.rows)
    assert replace(task.rows[0], step_seconds=1.0) == task.rows[0]
    assert "ms/step" in as_markdown(found)


def test_a_weight_decay_that_would_be_overruled_is_refused():
    budget = Budget(training=Training(steps=2, weight_decay=0.1))
    with pytest.raises(SymlossError, match="weight_decays"):
        evaluate(EvaluationSettings(losses=("brier",), tasks=(DIGITS,), budget=budget))


def test_a_narrow_terminal_keeps_the_names_and_goes_without_times():
    losses = ("label-smoothing", "symmetric-cross-entropy")
    found = evaluate(settings(*losses, against=("cross-entropy",), metrics=("f1", "calibration")))

    def shown(width):
        console = Console(width=width, file=io.StringIO(), legacy_windows=False)
        console.print(as_rich(found, width))
        return console.file.getvalue()

    assert "ms/step" in shown(160).split("Every loss")[0]
    narrow, explained = shown(80).split("Every loss")
    assert "ms/step" not in narrow
    assert "ms/step" not in explained  # nor what it would mean
    assert ("effect" in narrow) == ("rank-biserial" in explained)
    wide, explained = shown(200).split("Every loss")
    assert "ms/step" in wide
    assert "ms/step" in explained
    assert "rank-biserial" in explained
    assert all(f"│ {name} " in narrow for name in losses)
    assert max(map(len, narrow.splitlines())) == 80
    for width in (80, 72):
        own = shown(width).split("Every loss")[0].split("symmetric-cross-entropy against")[1]
        (row,) = [line for line in own.splitlines() if " to " in line]
        assert re.search(r"│ cross-entropy │ .* to -?\d\S* │ .*\(\d:\d\) │$", row), "no number is broken"
    assert "effect" not in own
    assert "rank-biserial" not in shown(72)
    assert "effect" in shown(160).split("Every loss")[0]


def test_classes_may_weigh_the_same():
    """In the names, in what is trained, and for a run's own task."""
    losses = ("balanced(cross-entropy)", "even=balanced( focal(gamma=1) )")
    found = evaluate(settings(*losses, against=("cross-entropy",)))
    rows = {row.name: row for row in found.tasks[0].rows}
    assert set(rows) == {"balanced(cross-entropy)", "even", "cross-entropy"}
    assert rows["even"].formula == "balanced(-(y * ((1 - p) * ln(p))))"
    assert rows["balanced(cross-entropy)"].test != rows["cross-entropy"].test
    assert source_of(losses[1]) == "focal(gamma=1)"
    assert source_of("runs/first") == "runs/first"


@pytest.mark.parametrize(
    ("loss", "task", "words"),
    [
        ("balanced(mse)", "diabetes", "weights samples by class, and there are none in a regression task"),
        ("balanced(balanced(focal))", "digits", "cannot weight samples by class"),
        ("balanced(focl)", "digits", "did you mean 'focal'"),
    ],
)
def test_what_has_no_classes_to_weigh_is_told(loss, task, words):
    with pytest.raises(SymlossError, match=words):
        evaluate(settings(loss, tasks=(TaskSettings(task=task),)))
