"""Metrics against scikit-learn, alone and batched; outputs that are not finite."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from symloss.records import Kind
from symloss.tasks import METRICS, find_metric
from symloss.tasks.metrics import probabilities

RNG = np.random.default_rng(3)


def multiclass(k=4, n=50, classes=5):
    y = torch.from_numpy(RNG.permutation(np.arange(n) % classes))
    return torch.from_numpy(RNG.normal(size=(k, n, classes)) * 3).float(), y


def binary(k=4, n=50):
    y = torch.from_numpy(RNG.permutation(np.arange(n) % 3 == 0)).float()[:, None]
    return torch.from_numpy(RNG.normal(size=(k, n, 1)) * 3).float(), y


def regression(k=4, n=50, outputs=3):
    return tuple(
        torch.from_numpy(RNG.normal(size=shape)).float() for shape in ((k, n, outputs), (n, outputs))
    )


DATA = {Kind.MULTICLASS: multiclass, Kind.BINARY: binary, Kind.REGRESSION: regression}


def both_columns(p):
    return p if p.shape[1] > 1 else np.column_stack([1 - p, p])


def _decide(p):
    return both_columns(p).argmax(axis=1)


def _auroc(y, p):
    if p.shape[1] == 1:
        return reference.roc_auc_score(y, p[:, 0])
    return reference.roc_auc_score(y, p, multi_class="ovr")


def _log_loss(y, p):
    return reference.log_loss(y, both_columns(p))


REFERENCES = {
    "error": lambda y, p: 1 - reference.accuracy_score(y, _decide(p)),
    "balanced-error": lambda y, p: 1 - reference.balanced_accuracy_score(y, _decide(p)),
    "f1": lambda y, p: 1 - reference.f1_score(y, _decide(p), average="macro"),
    "cross-entropy": _log_loss,
    "auroc": lambda y, p: 1 - _auroc(y, p),
    "mse": reference.mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": lambda y, p: 1 - reference.r2_score(y, p),
}

EVERY = [(name, kind) for name, row in METRICS.items() for kind in row.kinds]


def test_every_metric_has_a_reference():
    assert REFERENCES.keys() == METRICS.keys()


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_agrees_with_scikit_learn(name, kind):
    outputs, y = DATA[kind]()
    found = find_metric(name, kind).batched(outputs, y)
    assert found.shape == (4,)
    assert found.dtype == torch.float64
    doubles = outputs.double()
    predictions = doubles if kind is Kind.REGRESSION else probabilities(doubles)
    labels = y.numpy() if kind is not Kind.BINARY else y[:, 0].numpy()
    expected = [REFERENCES[name](labels, p.numpy()) for p in predictions]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_batch_equals_one_by_one(name, kind):
    outputs, y = DATA[kind]()
    metric = find_metric(name, kind)
    alone = [float(metric.cost(one.double(), y)) for one in outputs]
    np.testing.assert_allclose(metric.batched(outputs, y).numpy(), alone, rtol=1e-12)
    assert metric.batched(outputs[:0], y).shape == (0,)


@pytest.mark.parametrize(("name", "kind"), EVERY)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_not_finite_cost_nan_and_harm_no_other(name, kind, bad):
    outputs, y = DATA[kind]()
    metric = find_metric(name, kind)
    clean = metric.batched(outputs, y)
    outputs[1, 7, 0] = bad
    found = metric.batched(outputs, y)
    assert found.isnan().tolist() == [False, True, False, False]
    assert torch.equal(found[[0, 2, 3]], clean[[0, 2, 3]])


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_perfect_is_zero_and_better_is_lower(name, kind):
    outputs, y = DATA[kind]()
    if kind is Kind.MULTICLASS:
        perfect = torch.nn.functional.one_hot(y) * 100.0
    else:
        perfect = y if kind is Kind.REGRESSION else (2 * y - 1) * 100.0
    cost = find_metric(name, kind).batched(torch.stack([perfect, outputs[0]]), y)
    assert abs(float(cost[0])) < 1e-9
    assert cost[1] > 0.05


@pytest.mark.parametrize("name", ["cross-entropy", "mse", "mae", "r2"])
def test_huge_outputs_stay_finite(name):
    kind = METRICS[name].kinds[0]
    outputs, y = DATA[kind]()
    assert torch.isfinite(find_metric(name, kind).batched(outputs * 1e30, y)).all()


def test_classes_that_nobody_predicts_or_has_raise_no_warning():
    outputs = torch.zeros(1, 4, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("f1", "balanced-error", "error"):
            assert (
                0
                <= float(find_metric(name, Kind.MULTICLASS).batched(outputs, torch.tensor([0, 1, 1, 3])))
                <= 1
            )


def test_metrics_do_not_track_gradients():
    outputs, y = regression()
    assert not find_metric("mse", Kind.REGRESSION).batched(outputs.requires_grad_(), y).requires_grad


def test_a_users_metric_sees_probabilities_and_targets(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "def cost(predictions, targets):\n"
        "    assert isinstance(predictions, np.ndarray) and isinstance(targets, np.ndarray)\n"
        "    assert np.allclose(predictions.sum(axis=1), 1)\n"
        "    return np.mean(predictions.argmax(axis=1) != targets)\n"
    )
    outputs, y = multiclass()
    outputs[2, 0, 0] = math.nan
    found = find_metric(f"{file}:cost", Kind.MULTICLASS).batched(outputs, y)
    expected = find_metric("error", Kind.MULTICLASS).batched(outputs, y)
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_users_metric_on_binary_and_regression(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def least(predictions, targets):\n    return predictions.min() + 0 * targets.sum()\n")
    outputs, y = binary()
    found = find_metric(f"{file}:least", Kind.BINARY).batched(outputs, y)
    torch.testing.assert_close(found, torch.sigmoid(outputs.double()).amin((1, 2)))
    outputs, y = regression()
    found = find_metric(f"{file}:least", Kind.REGRESSION).batched(outputs, y)
    torch.testing.assert_close(found, outputs.double().amin((1, 2)))
