"""Filters, scaling, calibration and the whole way from a proposal to a scored candidate."""

from __future__ import annotations

import pytest
import torch
from msgspec.structs import replace
from test_meta_training import small_task

from symloss.expr import parse_expression
from symloss.meta.calibration import RATES, calibrate
from symloss.meta.evaluator import Evaluator
from symloss.meta.filters import alike, fingerprint, improves_free_predictions
from symloss.meta.sample import normalised, reference_gradient, spread_sample, typical_size, untrained_sample
from symloss.meta.settings import Filters, Training, Tuning
from symloss.records import Kind, Origin, Proposal, Status
from symloss.tasks import find_metric

CLASSES, VALUES = small_task("linear"), small_task("linear", "values")


def passes(formula: str, task) -> bool:
    sample = untrained_sample(task, 100, 0)
    losses = normalised([parse_expression(formula)], sample)
    return improves_free_predictions(losses, sample, Filters())[0]


@pytest.mark.parametrize("formula", ["square(p - y)", "abs(p - y)", "abs(log(y * p))", "-(y * log(p))"])
def test_the_rejection_protocol_keeps_losses_of_classes(formula):
    assert passes(formula, CLASSES)


@pytest.mark.parametrize("formula", ["-square(p - y)", "y * p", "log(y * p)", "y * log(p)"])
def test_the_rejection_protocol_refuses_what_is_the_wrong_way_round(formula):
    assert not passes(formula, CLASSES)


@pytest.mark.parametrize("formula", ["square(p - y)", "abs(p - y)"])
def test_the_rejection_protocol_keeps_losses_of_values(formula):
    assert passes(formula, VALUES)


@pytest.mark.parametrize("formula", ["-square(p - y)", "y - p", "y + p", "y * p"])
def test_the_rejection_protocol_refuses_losses_of_values(formula):
    assert not passes(formula, VALUES)


def mark(formula: str, task=CLASSES) -> str:
    return fingerprint(spread_sample(task, 100, 0).gradients([parse_expression(formula)])[0], 5)


EQUAL = [
    ("square(p - y)", "(y - p) * (y - p)"),
    ("square(p - y)", "p * p - 2 * (p * y) + y * y"),
    ("-(y * log(p))", "3 - y * log(p)"),
    ("-(y * log(p))", "log(y) - y * log(p)"),
    ("y * (1 - p)", "y - y * p"),
    ("abs(p - y)", "max(p - y, y - p)"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_losses_that_train_alike_have_one_fingerprint_whatever_their_spelling(one, other):
    assert mark(one) == mark(other)


@pytest.mark.parametrize(
    "other", ["2 * square(p - y)", "-square(p - y)", "square(p - 0.999 * y)", "abs(p - y)"]
)
def test_losses_that_train_differently_have_different_fingerprints(other):
    assert mark("square(p - y)") != mark(other)


def test_a_positive_factor_matters_only_where_losses_are_not_scaled():
    sample = spread_sample(CLASSES, 100, 0)
    formulas = ["square(p - y)", "7 * square(p - y)", "-square(p - y)", "abs(p - y)"]
    gradients = sample.gradients([parse_expression(formula) for formula in formulas])
    one, scaled_up, *others = [fingerprint(gradient, 5, any_scale=True) for gradient in gradients]
    assert one == scaled_up
    assert one not in others
    assert alike(gradients[0], gradients[1], 1e-6, any_scale=True)
    assert not alike(gradients[0], gradients[1], 1.0)
    assert not alike(gradients[0], gradients[2], 1.0, any_scale=True)


@pytest.mark.parametrize("task", [CLASSES, VALUES], ids=["classes", "values"])
def test_scaling_makes_gradients_as_large_as_the_reference_and_keeps_their_direction(task):
    sample = untrained_sample(task, 100, 0)
    losses = [
        parse_expression(f) for f in ("1e-6 * square(p - y)", "50 * abs(p - y)", "-(3 * square(p - y))")
    ]
    before, after = sample.gradients(losses), sample.gradients(normalised(losses, sample))
    wanted = typical_size(reference_gradient(sample)[None])
    torch.testing.assert_close(typical_size(after), wanted.expand(3), rtol=1e-6, atol=0)
    ratio = typical_size(after) / typical_size(before)
    torch.testing.assert_close(after, before * ratio[:, None, None], rtol=1e-6, atol=1e-9)


def test_the_reference_is_cross_entropy_and_squared_error():
    sample = untrained_sample(CLASSES, 50, 0)
    torch.testing.assert_close(
        reference_gradient(sample), sample.gradients([parse_expression("-(y * log(p))")])[0]
    )
    sample = untrained_sample(VALUES, 50, 0)
    torch.testing.assert_close(
        reference_gradient(sample), sample.gradients([parse_expression("square(p - y)")])[0]
    )


def test_what_has_no_gradient_is_not_scaled():
    sample = untrained_sample(CLASSES, 50, 0)
    flat = parse_expression("sign(p) + y")
    assert normalised([flat], sample) == [flat]


def proposals(*formulas: str, first: int = 1) -> list[Proposal]:
    return [Proposal(first + i, parse_expression(f), 0, Origin("random")) for i, f in enumerate(formulas)]


def evaluator(**settings) -> Evaluator:
    training = Training(steps=20, batch_size=32, learning_rate=0.05, seeds=2)
    settings = {"tuning": Tuning(steps=4, batch_size=32), **settings}
    return Evaluator(CLASSES, find_metric("cross-entropy", Kind.MULTICLASS), training, **settings)


FINITE_NOWHERE = "y * square(square(square(square(1e30 * p))))"


def test_every_fate_of_a_candidate():
    formulas = [
        "square(p - y)",
        "(y - p) * (y - p)",
        "sign(p) + y",
        "-square(p - y)",
        FINITE_NOWHERE,
    ]
    found = evaluator().evaluate(proposals(*formulas))
    expected = [Status.OK, Status.DUPLICATE, Status.FLAT, Status.REJECTED, Status.NON_FINITE]
    assert [c.score.status for c in found] == expected
    assert found[0].score.fitness == pytest.approx(sum(found[0].score.per_seed) / 2)
    assert found[1].score.fitness == found[0].score.fitness
    assert found[1].loss == found[0].loss
    assert "1" in found[1].score.detail
    assert all(c.score.fitness is None for c in found[2:])


def test_a_loss_under_which_training_diverges_is_told_apart():
    judge = evaluator(tuning=Tuning(steps=0), filters=Filters(rejection=False))
    judge.training = Training(steps=60, batch_size=32, learning_rate=1e12, normalise=False)
    (found,) = judge.evaluate(proposals("pow(p - 2 * y, 5) * exp(80 * p)"))
    assert found.score.status in (Status.DIVERGED, Status.OK)
    task = VALUES
    judge = Evaluator(
        task,
        find_metric("mse", task.kind),
        Training(steps=60, batch_size=32, learning_rate=1e6),
        Tuning(steps=0),
        Filters(rejection=False),
    )
    (found,) = judge.evaluate(proposals("square(p - y)"))
    assert found.score.status is Status.DIVERGED
    assert found.score.fitness is None


def test_a_duplicate_of_an_earlier_generation_costs_nothing():
    steps: list[str] = []
    judge = evaluator(tick=steps.append)
    (first,) = judge.evaluate(proposals("square(p - y)"))
    assert {"tuning", "training"} <= set(steps)
    steps.clear()
    (again,) = judge.evaluate(proposals("(p - y) * (p - y)", first=7))
    assert steps == []
    assert again.score.status is Status.DUPLICATE
    assert again.score.fitness == first.score.fitness


@pytest.mark.parametrize(("normalise", "status"), [(True, Status.DUPLICATE), (False, Status.OK)])
def test_a_multiple_is_a_duplicate_where_losses_are_scaled(normalise, status):
    judge = evaluator()
    judge.training = replace(judge.training, normalise=normalise)
    first, second = judge.evaluate(proposals("square(p - y)", "7 * square(p - y)"))
    assert (first.score.status, second.score.status) == (Status.OK, status)


def test_of_candidates_that_train_nearly_alike_the_first_is_taken():
    judge = evaluator(tuning=Tuning(steps=0), filters=Filters(duplicates=False))
    formulas = ["square(p - y)", "3 * square(p - y)", "pow(p - y, 2.001)", "abs(p - y)", "-(y * log(p))"]
    found = judge.evaluate(proposals(*formulas))
    assert {candidate.score.status for candidate in found} == {Status.OK}
    ids = [candidate.id for candidate in judge.distinct(found, 3, 0.01)]
    assert ids == [1, 4, 5]
    assert [candidate.id for candidate in judge.distinct(found, 2, 0.01)] == [1, 4]
    assert judge.distinct(found, 5, 0.0) == found
    assert [candidate.id for candidate in judge.distinct(found[::-1], 5, 0.01)] == [5, 4, 3]


def test_without_the_filter_a_duplicate_is_trained_again():
    judge = evaluator(filters=Filters(duplicates=False))
    found = judge.evaluate(proposals("square(p - y)", "square(p - y)"))
    assert [c.score.status for c in found] == [Status.OK, Status.OK]
    assert found[0].score.fitness == pytest.approx(found[1].score.fitness, rel=1e-5)


def test_the_same_proposals_get_the_same_scores():
    formulas = ["square(p - y)", "y * (1 - pow(p, 0.7))", "-(y * log(p))"]
    assert evaluator().evaluate(proposals(*formulas)) == evaluator().evaluate(proposals(*formulas))


def test_keeping_the_better_is_never_worse_than_not_tuning():
    formulas = ["square(p - 0.5 * y)", "y * (1 - pow(p, 0.7))", "-(y * log(p + 0.3))"]
    untuned = evaluator(tuning=Tuning(steps=0)).evaluate(proposals(*formulas))
    better = evaluator(tuning=Tuning(steps=30, learning_rate=0.05, batch_size=32)).evaluate(
        proposals(*formulas)
    )
    for a, b in zip(better, untuned, strict=True):
        assert a.score.fitness <= b.score.fitness + 1e-5


def test_calibration_takes_the_rate_of_the_best_known_loss():
    metric = find_metric("cross-entropy", Kind.MULTICLASS)
    found = calibrate(CLASSES, metric, Training(steps=20, batch_size=32), 0)
    assert found.learning_rate in RATES
    costs = [cost for _, cost in found.baselines]
    assert costs == sorted(costs)
    assert "cross-entropy" in dict(found.baselines)
    assert found == calibrate(CLASSES, metric, Training(steps=20, batch_size=32), 0)


def test_a_formula_that_tuning_spoils_is_trained_as_it_was(monkeypatch):
    def spoilt(expressions, *_):
        return [parse_expression("-square(p - y)") for _ in expressions]

    monkeypatch.setattr("symloss.meta.evaluator.tune", spoilt)
    (kept,) = evaluator().evaluate(proposals("square(p - y)"))
    assert kept.score.status is Status.OK
    (lost,) = evaluator(tuning=Tuning(steps=4, keep_better=False)).evaluate(proposals("square(p - y)"))
    assert lost.score.status is Status.REJECTED
