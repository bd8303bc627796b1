"""The Python interface: search, look, take away."""

import dataclasses
import json
import math
import runpy
import warnings

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import symloss
from symloss import CandidateTable, Kind, LossSearch, Split, SymlossError, Task, load_run, parse_expression
from symloss.errors import ConfigError, ExportError, RunError, SymlossWarning, TaskError
from symloss.run import resume, start

TINY = {
    "population": 4,
    "generations": 2,
    "training": {"steps": 10, "learning_rate": 0.05},
    "tuning": {"steps": 2},
    "finalists": {"count": 2, "seeds": 2},
}


def part(samples, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 3, generator=generator)
    return Split(x, (x[:, :1] > 0).float())


def own_task():
    """Two classes of points, told apart by their first coordinate."""
    parts = part(60, 0), part(30, 1), part(30, 2)
    return Task("halves", Kind.BINARY, *parts, lambda: nn.Linear(3, 1), 1, "error", "own")


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    out = tmp_path_factory.mktemp("api") / "run"
    return LossSearch(task="diabetes", model="linear", out=out, **TINY).fit()


def test_fit_returns_the_search_with_its_candidates(search):
    assert isinstance(search, LossSearch)
    assert isinstance(search.candidates_, CandidateTable)
    assert search.best_ == search.candidates_[0]
    assert search.outcome_.complete
    costs = [loss.candidate.confirmation.cost for loss in search.candidates_[:2]]
    assert costs == sorted(costs)
    assert math.isfinite(search.best_.fitness)
    assert search.best_.learning_rate > 0


def test_what_finalists_are_ordered_by_is_shown_with_its_error(search):
    best, last = search.best_, search.candidates_[-1]
    assert best.confirmed == best.confirmation.cost
    assert best.confirmation.seeds == TINY["finalists"]["seeds"]
    assert best.confirmation.standard_error > 0
    assert (last.confirmed, last.confirmation) == (None, None)
    shown = f"{best.confirmed:.4g} ± {best.confirmation.standard_error:.2g}"
    assert f"confirmed={shown} over 2 seeds" in repr(best)
    assert "confirmed" not in repr(last)
    assert shown in repr(search.candidates_)
    assert shown in search.candidates_._repr_html_()
    assert r"\pm" in search.candidates_.to_latex()
    row = search.candidates_.to_dicts()[0]
    assert (row["standard_error"], row["seeds"]) == (best.confirmation.standard_error, 2)
    assert row["standard_error"] == load_run(search.out)[0].confirmation.standard_error


def test_the_candidates_are_a_table(search):
    table = search.candidates_
    lines = repr(table).splitlines()
    assert "formula" in lines[1]
    assert table[0].formula in repr(table)
    assert [loss.id for loss in table] == [row["id"] for row in table.to_dicts()]
    assert len(table[:2]) == 2
    assert isinstance(table[:2], CandidateTable)
    assert table[-1].id == list(table)[-1].id
    assert not table[:0]
    with pytest.raises(IndexError):
        table[len(table)]
    row = table.to_dicts()[0]
    assert {"id", "formula", "expression", "fitness", "size"} <= set(row)
    assert parse_expression(row["expression"]) == table[0].expression


def test_a_long_table_is_cut_and_says_so(search):
    many = CandidateTable(list(search.candidates_) * 10)
    assert repr(many).endswith(f"... and {len(many) - 20} more")


def test_a_candidate_can_be_taken_away_in_every_form(search, tmp_path):
    best = search.best_
    prediction, target = torch.randn(5, 1), torch.randn(5, 1)
    module = best.to_torch()
    assert isinstance(module, nn.Module)
    value = module(prediction, target)
    assert value.shape == ()

    assert isinstance(best.sympy(), sympy.Expr)
    assert {str(s) for s in best.sympy().free_symbols} <= {"p", "y"}
    assert best._repr_latex_().startswith("$")
    assert r"\mathcal{L}" in best.latex()

    for format_ in ("torch", "numpy"):
        (tmp_path / f"{format_}.py").write_text(best.export(format_))
        written = runpy.run_path(str(tmp_path / f"{format_}.py"))["loss"]
        arguments = (prediction, target) if format_ == "torch" else (prediction.numpy(), target.numpy())
        assert float(written(*arguments)) == pytest.approx(float(value), rel=1e-5)
    with pytest.raises(ExportError, match="unknown format 'keras'"):
        best.export("keras")


def test_learnable_constants_are_parameters(search):
    with_constants = next(loss for loss in search.candidates_ if "." in loss.formula)
    assert list(with_constants.to_torch().parameters()) == []
    assert list(with_constants.to_torch(learnable=True).parameters())


def test_a_saved_run_gives_the_same_table(search):
    loaded = load_run(search.out)
    assert loaded.to_dicts() == search.candidates_.to_dicts()
    assert loaded[0].header == search.best_.header
    assert load_run(str(search.out))[0].latex() == search.best_.latex()


def test_nothing_is_written_without_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = LossSearch(task="diabetes", model="linear", **TINY).fit()
    assert list(tmp_path.iterdir()) == []
    assert found.outcome_.folder is None


def test_the_same_seed_finds_the_same(search):
    again = LossSearch(task="diabetes", model="linear", **TINY)
    assert again.fit().candidates_.to_dicts() == search.candidates_.to_dicts()
    other = LossSearch(task="diabetes", model="linear", seed=1, **TINY)
    assert other.fit().candidates_.to_dicts() != search.candidates_.to_dicts()


@pytest.mark.parametrize(
    ("targets", "kind", "outputs"),
    [
        (lambda x: x @ np.array([1.0, -2.0, 0.0]), Kind.REGRESSION, 1),
        (lambda x: np.stack([x[:, 0], -x[:, 1]], axis=1), Kind.REGRESSION, 2),
        (lambda x: np.digitize(x[:, 0], [-0.5, 0.5]), Kind.MULTICLASS, 3),
        (lambda x: np.where(x[:, 0] > 0, "yes", "no"), Kind.MULTICLASS, 2),
    ],
    ids=["values", "two values", "classes", "text labels"],
)
def test_fit_takes_arrays(targets, kind, outputs):
    x = np.random.default_rng(0).normal(size=(90, 3))
    found = LossSearch(model="linear", generations=1, **{k: v for k, v in TINY.items() if k != "generations"})
    found.fit(x, targets(x))
    task = found.outcome_.task
    assert (task.kind, task.num_outputs) == (kind, outputs)
    assert len(task.train) + len(task.valid) + len(task.test) == 90
    assert found.best_.loss.kind is kind


def test_fit_takes_a_users_task():
    found = LossSearch(**TINY).fit(task=own_task())
    assert found.outcome_.task.name == "halves"
    assert found.best_.loss.kind is Kind.BINARY
    assert found.best_.header.task == "halves"
    assert found.best_.to_torch()(torch.zeros(4, 1), torch.ones(4, 1)).isfinite()


def test_a_run_on_data_from_python_is_not_resumed_on_other_data(tmp_path):
    config = LossSearch(**TINY).config
    start(config, tmp_path / "run", task=own_task(), stop=lambda: True)
    with pytest.raises(RunError, match="given its data or metric in Python"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "arguments", "error", "words"),
    [
        ({}, {"x": np.zeros((9, 2))}, ConfigError, "x and y together"),
        ({}, {"y": np.zeros(9)}, ConfigError, "x and y together"),
        ({}, {"x": np.zeros((9, 2)), "y": np.zeros(9), "task": own_task()}, ConfigError, "x and y together"),
        ({"label_noise": 0.2}, {"task": own_task()}, ConfigError, "'label_noise' has no effect"),
        ({"train_size": 5}, {"x": np.zeros((9, 2)), "y": np.zeros(9)}, ConfigError, "'train_size' has no"),
        ({}, {"x": np.full((90, 2), np.nan), "y": np.zeros(90)}, TaskError, "180 values that are NaN"),
        ({}, {"x": np.zeros((9, 2)), "y": np.zeros(8)}, TaskError, "do not match"),
        ({}, {"x": [[1, 2], [3]], "y": [0, 1]}, TaskError, "x is not an array"),
        ({"metric": "mse"}, {"task": own_task()}, TaskError, "not defined for binary"),
        ({"device": "abacus"}, {"task": own_task()}, ConfigError, "unknown device 'abacus'"),
        ({"grammar": "clasification"}, {"task": own_task()}, SymlossError, "did you mean 'classification'"),
    ],
)
def test_what_cannot_be_searched_is_told(settings, arguments, error, words):
    with pytest.raises(error, match=words):
        LossSearch(**settings).fit(**arguments)


def test_a_wrong_setting_is_told_when_the_search_is_made():
    with pytest.raises(ConfigError, match="unknown setting 'populaton': did you mean 'population'"):
        LossSearch(populaton=3)


def test_a_search_is_cloned_as_estimators_are(tmp_path):
    from sklearn.base import clone

    search = LossSearch(metric=missed, seeds="catalogue", out=tmp_path / "run", **TINY)
    again = clone(search)
    assert again is not search
    assert repr(again) == repr(search)
    assert again.get_params() == search.get_params()
    assert again.set_params(population=7, out=None) is again
    assert (again.config.population, again.config.generations, again.out) == (7, TINY["generations"], None)
    assert search.config.population == TINY["population"]
    with pytest.raises(ConfigError, match="unknown setting 'populaton'"):
        again.set_params(populaton=3)
    assert "populaton" not in again.get_params()


def test_a_search_tells_its_settings_and_that_it_has_found_nothing_yet():
    search = LossSearch(task="wine", training={"steps": 5}, seed=3)
    assert repr(search) == "LossSearch(task='wine', seed=3, training={'steps': 5})"
    assert not hasattr(search, "best_")
    with pytest.raises(SymlossError, match="call fit first"):
        _ = search.best_


def test_the_kind_of_arrays_can_be_said():
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    assert LossSearch(**TINY).fit(x, y, kind="binary").outcome_.task.kind is Kind.BINARY
    with pytest.raises(ConfigError, match="kind, valid, test and positive go with x and y"):
        LossSearch(**TINY).fit(kind="binary")


def missed(predictions, targets):
    """Ten more than the share of class 1 that is missed."""
    return 10 + (predictions[targets.ravel() == 1, 0] >= 0.5).mean()


def test_the_positive_class_of_arrays_can_be_said(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(80, 2)), np.where(np.arange(80) % 4, "stays", "leaves")
    search = LossSearch(metric="average-precision", out=tmp_path / "run", **TINY)
    search.fit(x, y, kind="binary", positive="leaves")
    task = search.outcome_.task
    assert task.train.y.mean() == pytest.approx(0.25, abs=0.02)
    assert search.outcome_.metric.name == "average-precision of class leaves"
    assert search.best_.header.metric == "1 - average-precision of class leaves"
    assert "class leaves is positive: f1 and average-precision count it alone" in search.notes_
    assert json.loads((tmp_path / "run/run.json").read_text())["task"]["positive"] == "leaves"
    with pytest.raises(TaskError, match="task 'halves': positive is 'a', which chooses one of two classes"):
        dataclasses.replace(own_task(), kind="regression", metric="mse", positive="a")
    with pytest.raises(ConfigError, match="go with x and y"):
        search.fit(positive="leaves")


def test_a_function_may_be_minimised_in_python(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    search = LossSearch(metric=missed, out=tmp_path / "run", **TINY).fit(x, y)
    assert search.outcome_.metric.name == "missed"
    assert search.best_.header.metric == "missed"
    assert 10 <= search.best_.fitness <= 11
    assert search.candidates_[-1].fitness >= search.best_.fitness
    assert "metric=<function missed" in repr(search)
    assert json.loads((tmp_path / "run/run.json").read_text())["task"]["metric"] == "missed"
    with pytest.raises(RunError, match="given its data or metric in Python"):
        resume(tmp_path / "run")
    named = LossSearch(metric=missed, task="breast-cancer", out=tmp_path / "named", **TINY).fit()
    assert named.outcome_.task.name == "breast-cancer"
    with pytest.raises(RunError, match="given its data or metric in Python"):
        resume(tmp_path / "named")


def test_what_a_function_returns_is_checked_before_the_search():
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    with pytest.raises(TaskError, match="metric 'lambda' returned a str, expected a float"):
        LossSearch(metric=lambda predictions, targets: "good", **TINY).fit(x, y)


def test_training_data_decide_the_kind():
    x, y = np.random.default_rng(0).normal(size=(300, 2)), np.arange(300) % 30
    task = symloss.task_from_arrays(x, y, valid=(x, y.astype(float)))
    assert task.kind is Kind.MULTICLASS
    with pytest.raises(TaskError, match=r"valid has classes that the training data lacks: 3\.5;"):
        symloss.task_from_arrays(x, y, valid=(x, np.where(y == 3, 3.5, y)))


def test_a_metric_may_write_over_what_it_is_given():
    def careless(predictions, targets):
        targets[:] = predictions[:] = 0
        return 0.5

    task = own_task()
    expected = task.valid.y.clone()
    LossSearch(metric=careless, **TINY).fit(task=task)
    assert torch.equal(task.valid.y, expected)


def test_validation_and_test_data_of_ones_own_are_taken_as_they_are():
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    more = {"valid": (x[:20] + 9, y[:20]), "test": (x[:30], y[:30])}
    task = LossSearch(**TINY).fit(x, y, **more).outcome_.task
    assert (len(task.train), len(task.valid), len(task.test)) == (60, 20, 30)
    assert task.valid.x.mean() > 3, "in the units of training"
    with pytest.raises(ConfigError, match="kind, valid, test and positive go with x and y"):
        LossSearch(**TINY).fit(**more)


def test_a_search_in_python_starts_from_the_catalogue_too():
    own = LossSearch(seeds="catalogue", **TINY)
    assert "seeds='catalogue'" in repr(own)
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.random.default_rng(1).normal(size=60)
    seeds = own.fit(x, y).outcome_.config.seeds  # those for regression, though digits are the default task
    assert "square(prediction - target)" in seeds or "square(target - prediction)" in seeds
    assert "target * (-log(prediction))" not in seeds


def test_what_is_to_be_known_of_a_search_is_noted_and_warned_of():
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.where(np.arange(60) % 2, "yes", "no")
    quiet = LossSearch(metric="balanced-error", **TINY).fit(x, y)
    assert quiet.notes_[0] == "labels no, yes are numbered from 0"
    assert quiet.notes_[-1].endswith("--against 'cross-entropy,balanced(cross-entropy)'")

    settings = {**TINY, "training": {"steps": 10}}
    search = LossSearch(metric=lambda predictions, targets: 0.5, **settings)
    with pytest.warns(SymlossWarning) as warned:
        search.fit(x, y)
    told = [str(warning.message) for warning in warned]
    assert told[0].startswith("all known losses cost the same")
    assert told[1].startswith("trained longer and from fresh seeds, it reaches 0.5 and so does not beat")
    assert {warning.filename for warning in warned} == {__file__}
    assert set(told) <= set(search.notes_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "trained longer and from fresh seeds")
        with pytest.raises(SymlossWarning, match="does not beat"):
            search.fit(x, y)
    assert len(search.candidates_)


def test_a_function_is_no_metric_of_a_task():
    with pytest.raises(TaskError, match=r"the metric is a function, expected a name or .file\.py:function"):
        dataclasses.replace(own_task(), metric=lambda predictions, targets: 0.0)


def test_a_taken_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "kept").write_text("keep me")
    with pytest.raises(RunError, match="not empty"):
        LossSearch(task="diabetes", model="linear", out=tmp_path, **TINY).fit()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_every_promised_name_is_there():
    for name in symloss.__all__:
        assert getattr(symloss, name) is not None
    assert set(symloss.__all__) <= set(dir(symloss))
    assert set(symloss._HOMES) | {"__version__"} == set(symloss.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Loss'"):
        _ = symloss.Loss


def test_losses_show_their_formula_in_notebooks(tmp_path):
    from symloss.export import read_export, torch_module, write_export
    from symloss.losses import CATALOGUE, named_loss

    loaded = symloss.load_loss("focal(gamma=1)")
    write_export(loaded.loss, tmp_path / "focal.json", "json")
    shown = r"$-y_{ic} \, \left(1 - p_{ic}\right) \, \ln\left(p_{ic}\right)$"
    for loss in (
        loaded,
        loaded.loss,
        loaded.row,
        named_loss("focal", gamma=1.0),
        read_export(tmp_path / "focal.json"),
        symloss.from_torch(named_loss("focal", gamma=1.0)),
    ):
        assert loss._repr_latex_() == shown
    assert torch_module(loaded.loss)._repr_latex_().startswith("$")
    assert all(row._repr_latex_().startswith("$") for row in CATALOGUE.values())
