"""Metrics against scikit-learn, alone and batched; outputs that are not finite."""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import METRICS, find_metric
from symloss.tasks.metrics import FAMILIES, probabilities
from symloss.tasks.names import cost_name

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


def _expected_calibration_error(y, p):
    """Equation 3 of Guo et al. (arXiv 1706.04599), one bin after the other."""
    p = both_columns(p)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    total = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def _top_2_error(y, p):
    return 1 - reference.top_k_accuracy_score(y, p, k=2, labels=range(p.shape[1]))


def _pinball(y, p):
    return reference.mean_pinball_loss(y, p, alpha=0.9)


REFERENCES = {
    "error": lambda y, p: 1 - reference.accuracy_score(y, _decide(p)),
    "balanced-error": lambda y, p: 1 - reference.balanced_accuracy_score(y, _decide(p)),
    "f1": lambda y, p: 1 - reference.f1_score(y, _decide(p), average="macro"),
    "cross-entropy": _log_loss,
    "auroc": lambda y, p: 1 - _auroc(y, p),
    "calibration": _expected_calibration_error,
    "average-precision": lambda y, p: (
        1 - reference.average_precision_score(y, p if p.shape[1] > 1 else p[:, 0])
    ),
    "top-2": _top_2_error,
    "mse": reference.mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": lambda y, p: 1 - reference.r2_score(y, p),
    "quantile-0.9": _pinball,
}

MEMBERS = {"top-2": Kind.MULTICLASS, "quantile-0.9": Kind.REGRESSION}
"""One of each family of metrics."""

EVERY = [(name, kind) for name, row in METRICS.items() for kind in row.kinds] + list(MEMBERS.items())


def test_every_metric_has_a_reference():
    assert REFERENCES.keys() == METRICS.keys() | MEMBERS.keys()
    assert len(MEMBERS) == len(FAMILIES)


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


@pytest.mark.parametrize(
    "name", ["cross-entropy", "calibration", "top-2", "mse", "mae", "r2", "quantile-0.9"]
)
def test_huge_outputs_stay_finite(name):
    kind = MEMBERS.get(name) or METRICS[name].kinds[0]
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


def test_the_first_of_the_likeliest_is_the_decision():
    outputs, y = multiclass()
    outputs = outputs.round()  # so that there are ties
    outputs[1] = 0.0
    found = find_metric("top-1", Kind.MULTICLASS).batched(outputs, y)
    torch.testing.assert_close(found, find_metric("error", Kind.MULTICLASS).batched(outputs, y))
    alike = find_metric("top-2", Kind.MULTICLASS).batched(torch.zeros(1, 50, 5), y)
    assert float(alike) == pytest.approx(0.6), "saying the same of all classes must not help"


def test_calibration_agrees_with_torchmetrics_and_sees_confidence():
    from torchmetrics.functional.classification import multiclass_calibration_error

    outputs, y = multiclass(n=500)
    found = find_metric("calibration", Kind.MULTICLASS).batched(outputs, y)
    expected = [multiclass_calibration_error(o.double().softmax(-1), y, 5, n_bins=15) for o in outputs]
    torch.testing.assert_close(found, torch.stack(expected).double(), atol=1e-6, rtol=0)
    sure = find_metric("calibration", Kind.MULTICLASS).batched(outputs * 100, y)
    torch.testing.assert_close(
        sure, find_metric("error", Kind.MULTICLASS).batched(outputs, y), atol=1e-2, rtol=0
    )


def test_a_quantile_has_the_least_pinball_loss():
    y = torch.from_numpy(RNG.exponential(size=(999, 1))).float()
    constants = torch.linspace(0, 5, 501)[:, None, None].expand(-1, 999, 1)
    best = constants[find_metric("quantile-0.9", Kind.REGRESSION).batched(constants, y).argmin(), 0, 0]
    # Of 999 samples exactly nine tenths of the loss's weight lie on either side of the 900th.
    assert abs(float(best) - float(y.flatten().sort().values[899])) <= 0.01


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nll", Kind.MULTICLASS, "did you mean 'cross-entropy'?"),
        ("RMSE", Kind.REGRESSION, "did you mean 'mse'?"),
        ("F1", Kind.MULTICLASS, "did you mean 'f1'?"),
        ("Top-3", Kind.MULTICLASS, "did you mean 'top-3'?"),
        ("top5", Kind.MULTICLASS, "did you mean 'top-5'?"),
        ("top-0", Kind.MULTICLASS, "unknown metric 'top-0'"),
        ("top-5", Kind.BINARY, "'top-5' is not defined for binary tasks; choose from error"),
        ("mse", Kind.MULTICLASS, "average-precision, top-5"),
        ("quantile-1.5", Kind.REGRESSION, "did you mean 'quantile-0.9'?"),
        ("quantile-1", Kind.REGRESSION, "unknown metric 'quantile-1'"),
        ("quantile-0.0", Kind.REGRESSION, "unknown metric 'quantile-0.0'"),
        ("quantil-0.9", Kind.REGRESSION, "did you mean 'quantile-0.9'?"),
    ],
)
def test_an_unknown_metric_is_answered_with_a_known_one(name, kind, message):
    with pytest.raises(TaskError, match=re.escape(message)):
        find_metric(name, kind)


def test_a_metric_that_is_always_perfect_is_refused():
    outputs, y = multiclass()
    with pytest.raises(TaskError, match="always 0 with 5 classes"):
        find_metric("top-5", Kind.MULTICLASS).batched(outputs, y)


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


@pytest.mark.parametrize("name", METRICS)
def test_what_is_printed_beside_a_cost_says_which_way_is_better(name):
    """A metric of which better models have more is a cost as one minus it, and is called so."""
    mirrored = METRICS[name].doc.startswith("1 - ")
    assert cost_name(name) == (f"1 - {name}" if mirrored else name)


@pytest.mark.parametrize("kind", [Kind.BINARY, Kind.MULTICLASS])
def test_one_class_of_two_is_counted_alone_where_it_is_named(kind):
    outputs, y = binary()
    logits, ids = outputs[..., 0].double().numpy(), y[:, 0].numpy()
    if kind is Kind.MULTICLASS:
        outputs, y = torch.cat([torch.ones_like(outputs), outputs + 1], dim=-1), y[:, 0].long()
    expected = {
        "f1": [1 - reference.f1_score(ids, own > 0) for own in logits],
        "average-precision": [1 - reference.average_precision_score(ids, own) for own in logits],
    }
    for name, costs in expected.items():
        metric = find_metric(name, kind, "yes")
        assert metric.name == f"{name} of class yes"
        assert cost_name(metric.name) == f"1 - {name} of class yes"
        np.testing.assert_allclose(metric.batched(outputs, y).numpy(), costs, rtol=1e-6)
    for name in ("error", "auroc", "balanced-error"):
        assert find_metric(name, kind, "yes") is METRICS[name]
