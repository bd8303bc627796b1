"""Published losses at several values of their parameters: independent references, limits, and mistakes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from symloss.errors import ExpressionError
from symloss.losses import CATALOGUE, Handcrafted, SparseLSRLoss, handcrafted, named_loss
from symloss.records import Kind
from symloss.sources import load_loss

GENERATOR = torch.Generator().manual_seed(5)
LOGITS = 2 * torch.randn(24, 5, dtype=torch.float64, generator=GENERATOR)
CLASSES = torch.randint(5, (24,), generator=GENERATOR)
BITS = torch.randint(2, (24, 5), generator=GENERATOR).double()
VALUES = 2 * torch.randn(24, 5, dtype=torch.float64, generator=GENERATOR)
LABELS = {Kind.MULTICLASS: CLASSES, Kind.BINARY: BITS, Kind.REGRESSION: VALUES}

GRID = [(name, dict(setting)) for name, row in CATALOGUE.items() if row.ranges for setting in row.grid]
MORE = [
    ("label-smoothing", {"smoothing": 0.73}),
    ("sparse-lsr", {"smoothing": 0.25}),
    ("absolute-cross-entropy", {"phi0": 2.5, "phi1": 0.8}),
    ("generalised-cross-entropy", {"q": 1.0}),
    ("symmetric-cross-entropy", {"alpha": 1.7, "beta": 0.3}),
    ("taylor-cross-entropy", {"order": 20}),
    ("focal", {"gamma": 0.0}),
    ("binary-focal", {"gamma": 0.0}),
    ("poly-1", {"epsilon": 0.0}),
    ("cse-autoloss-a", {"iou": 0.3}),
    ("huber", {"delta": 1e-3}),
    ("tukey", {"c": 0.9}),
    ("cauchy", {"scale": 7.0}),
    ("quantile", {"level": 0.37}),
]


def of_true(z, y):
    """The probability of the true class."""
    return torch.softmax(z, -1).gather(1, y[:, None])[:, 0]


def reverse(z, y, least):
    """Reverse cross-entropy of Wang et al., equation 5, with log 0 taken as `least`."""
    log_targets = torch.where(functional.one_hot(y, z.shape[1]) > 0, 0.0, least)
    return -(torch.softmax(z, -1) * log_targets).sum(-1).mean()


def tukey(z, y, c):
    share = ((z - y) / c).abs().clamp(max=1.0)
    return (c**2 / 6 * (1 - (1 - share**2) ** 3)).mean()


def asymmetric(z, y, level):
    return torch.where(y > z, level * (y - z), (1 - level) * (z - y)).mean()


def binary_focal(z, y, gamma):
    p_t = torch.sigmoid(torch.where(y > 0, z, -z))
    return -((1 - p_t) ** gamma * p_t.log()).mean()


# From the papers, over the whole batch, without symloss.
REFERENCES = {
    "label-smoothing": lambda z, y, smoothing: functional.cross_entropy(z, y, label_smoothing=smoothing),
    "sparse-lsr": lambda z, y, smoothing: SparseLSRLoss(smoothing)(z, y),
    "absolute-cross-entropy": lambda z, y, phi0, phi1: phi0 * (phi1 * of_true(z, y)).log().abs().mean(),
    "generalised-cross-entropy": lambda z, y, q: ((1 - of_true(z, y) ** q) / q).mean(),
    "symmetric-cross-entropy": lambda z, y, alpha, beta: (
        alpha * functional.cross_entropy(z, y) + beta * reverse(z, y, -4.0)
    ),
    "taylor-cross-entropy": lambda z, y, order: sum(
        ((1 - of_true(z, y)) ** i / i).mean() for i in range(1, int(order) + 1)
    ),
    "focal": lambda z, y, gamma: -((1 - of_true(z, y)) ** gamma * of_true(z, y).log()).mean(),
    "binary-focal": binary_focal,
    "poly-1": lambda z, y, epsilon: functional.cross_entropy(z, y) + epsilon * (1 - of_true(z, y)).mean(),
    "cse-autoloss-a": lambda z, y, iou: (1 + math.sin(iou)) * functional.cross_entropy(z, y),
    "huber": lambda z, y, delta: functional.huber_loss(z, y, delta=delta),
    "tukey": tukey,
    "cauchy": lambda z, y, scale: (1 + (z - y) ** 2 / scale**2).log().mean(),
    "quantile": asymmetric,
}


def both(loss, reference, y):
    """Value and gradient of two losses at the same outputs."""
    z = LOGITS.clone().requires_grad_()
    for function in (loss, reference):
        value = function(z, y)
        yield value.detach(), torch.autograd.grad(value, z)[0]


def check_equal(name, parameters, reference, rtol=1e-9, atol=1e-10):
    """A loss of the catalogue has the value and the gradient of `reference(z, y)`."""
    row = CATALOGUE[name]
    ours, theirs = both(named_loss(name, **parameters), reference, LABELS[row.kinds[0]])
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "parameters"), [*GRID, *MORE], ids=str)
def test_every_setting_equals_its_paper(name, parameters):
    check_equal(name, parameters, lambda z, y: REFERENCES[name](z, y, **parameters))


def test_every_parameter_has_a_reference_and_the_comparison_complains():
    assert set(REFERENCES) == {name for name, row in CATALOGUE.items() if row.ranges}
    for name, wrong in [("focal", {"gamma": 1.0}), ("huber", {"delta": 1.1}), ("quantile", {"level": 0.8})]:
        with pytest.raises(AssertionError):
            check_equal(name, {}, lambda z, y, name=name, wrong=wrong: REFERENCES[name](z, y, **wrong))


def cross_entropy(z, y):
    return functional.cross_entropy(z, y)


def binary_cross_entropy(z, y):
    return functional.binary_cross_entropy_with_logits(z, y)


def half_squared(z, y):
    return 0.5 * functional.mse_loss(z, y)


LIMITS = [
    ("label-smoothing", {"smoothing": 0}, cross_entropy, 1e-12),
    ("label-smoothing", {"smoothing": 1e-7}, cross_entropy, 1e-5),
    ("sparse-lsr", {"smoothing": 0}, cross_entropy, 1e-12),
    ("absolute-cross-entropy", {"phi1": 1}, cross_entropy, 1e-12),
    ("focal", {"gamma": 0}, cross_entropy, 1e-12),
    ("focal", {"gamma": 1e-7}, cross_entropy, 1e-4),
    ("binary-focal", {"gamma": 0}, binary_cross_entropy, 1e-12),
    ("binary-focal", {"gamma": 1e-7}, binary_cross_entropy, 1e-4),
    ("cse-autoloss-a", {"iou": 0}, cross_entropy, 1e-12),
    ("generalised-cross-entropy", {"q": 1e-7}, cross_entropy, 1e-5),
    ("poly-1", {"epsilon": 0}, cross_entropy, 1e-12),
    ("poly-1", {"epsilon": -1}, lambda z, y: cross_entropy(z, y) - (1 - of_true(z, y)).mean(), 1e-12),
    ("symmetric-cross-entropy", {"alpha": 1, "beta": 0}, cross_entropy, 1e-12),
    ("huber", {"delta": 1e6}, half_squared, 1e-12),
    ("tukey", {"c": 1e5}, half_squared, 1e-6),
    ("quantile", {"level": 0.5}, lambda z, y: 0.5 * functional.l1_loss(z, y), 1e-12),
]


@pytest.mark.parametrize(
    ("name", "parameters", "limit", "rtol"), LIMITS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_losses_become_what_they_generalise(name, parameters, limit, rtol):
    check_equal(name, parameters, limit, rtol, rtol)


@pytest.mark.parametrize("name", ["generalised-cross-entropy", "taylor-cross-entropy"])
def test_bounded_ends_of_cross_entropy_are_half_the_absolute_error(name):
    """Sum over classes of |p - y| is 2 (1 - p) of the true class."""
    parameters = {"q": 1} if name.startswith("g") else {"order": 1}
    check_equal(
        name,
        parameters,
        lambda z, y: 0.5 * (torch.softmax(z, -1) - functional.one_hot(y, 5)).abs().sum(-1).mean(),
    )


def test_many_terms_of_taylor_are_cross_entropy_and_few_less():
    z = torch.tensor([[1.5, 0.0, 0.3]], dtype=torch.float64)
    y, last = torch.tensor([0]), -math.inf
    for order in (1, 2, 4, 8, 20):
        value = named_loss("taylor-cross-entropy", order=order)(z, y).item()
        gap = functional.cross_entropy(z, y).item() - value
        rest = 1 - of_true(z, y).item()
        assert value > last
        assert 0 < gap < rest ** (order + 1) / ((order + 1) * (1 - rest))  # the tail of a geometric series
        last = value


def test_cauchy_is_the_squared_error_for_residuals_far_below_its_scale():
    scaled = named_loss("cauchy", scale=1e4)
    z = LOGITS
    expected = functional.mse_loss(z, VALUES)
    torch.testing.assert_close(1e8 * scaled(z, VALUES), expected, rtol=1e-5, atol=0)


# --- rows, names and mistakes ---------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_defaults_stand_in_the_grid_and_every_setting_can_be_called_by_its_text(name):
    row = CATALOGUE[name]
    settings = [dict(setting) for setting in row.grid]
    assert dict(row.parameters) in settings
    assert len(settings) == 1 or row.ranges
    assert row.with_parameters(**row.parameters) == row
    for setting in settings:
        assert set(setting) == set(row.parameters)
        chosen = row.with_parameters(**setting)
        assert dict(chosen.parameters) == setting
        found = load_loss(chosen.text)
        assert (found.loss, found.name, found.header.title) == (chosen.loss(), chosen.text, chosen.text)
        assert handcrafted(chosen.text, row.kinds[0]) == chosen
        assert (chosen.exact == row.exact) == (setting == row.parameters)
        for value in setting.values():
            assert f"{value:g}" in chosen.reference


def test_texts_may_be_spaced_and_values_set_twice_over():
    row = handcrafted(" symmetric-cross-entropy ( beta = 0.5, alpha=2e0 ) ", Kind.MULTICLASS)
    assert row.text == "symmetric-cross-entropy(alpha=2, beta=0.5)"
    assert row.with_parameters(alpha=0.1).text == "symmetric-cross-entropy(beta=0.5)"
    assert row.with_parameters(alpha=0.1, beta=1) == CATALOGUE["symmetric-cross-entropy"]
    assert handcrafted("focal()", Kind.MULTICLASS) == CATALOGUE["focal"]
    assert isinstance(row, Handcrafted)
    assert len({row, row.with_parameters(alpha=2)}) == 1


def test_a_formula_is_still_a_formula():
    assert load_loss("square(p - y)", Kind.REGRESSION).loss == CATALOGUE["mse"].loss()


def test_a_named_loss_is_an_ordinary_module():
    for reduction, shape in [("mean", ()), ("sum", ()), ("none", (24,))]:
        assert named_loss("focal", gamma=1, reduction=reduction)(LOGITS, CLASSES).shape == shape
    module = named_loss("brier", kind=Kind.BINARY)
    torch.testing.assert_close(module(LOGITS, BITS), (LOGITS.sigmoid() - BITS).square().mean())
    (constants,) = named_loss("huber", delta=0.3, learnable=True).parameters()
    assert 0.3 in constants.tolist()
    assert named_loss("focal(gamma=1)").loss == named_loss("focal", gamma=1).loss


WRONG = [
    ("focal", {"gamma": -1}, "loss 'focal': gamma must be at least 0, found -1"),
    ("focal", {"gamma": math.inf}, "at least 0, found inf"),
    ("focal", {"gamma": math.nan}, "found nan"),
    ("focal", {"gamma": "two"}, "found 'two'"),
    ("focal", {"gamma": True}, "found True"),
    ("focal", {"gama": 1}, "loss 'focal' has no parameter 'gama': did you mean 'gamma'?"),
    ("mse", {"delta": 1}, "loss 'mse' has no parameters, found 'delta'"),
    ("label-smoothing", {"smoothing": 1}, "at least 0 and less than 1, found 1"),
    ("sparse-lsr", {"smoothing": -0.1}, "at least 0 and less than 1, found -0.1"),
    ("absolute-cross-entropy", {"phi0": 0}, "phi0 must be greater than 0, found 0"),
    ("generalised-cross-entropy", {"q": 0}, "q must be greater than 0 and at most 1, found 0"),
    ("generalised-cross-entropy", {"q": 1.1}, "q must be greater than 0 and at most 1, found 1.1"),
    ("symmetric-cross-entropy", {"alpha": 0}, "alpha must be greater than 0"),
    ("symmetric-cross-entropy", {"beta": -1}, "beta must be at least 0"),
    ("taylor-cross-entropy", {"order": 2.5}, "order must be a whole number, at least 1 and at most 20"),
    ("taylor-cross-entropy", {"order": 21}, "at least 1 and at most 20, found 21"),
    ("poly-1", {"epsilon": -1.5}, "epsilon must be at least -1, found -1.5"),
    ("huber", {"delta": 0}, "delta must be greater than 0"),
    ("tukey", {"c": 0}, "c must be greater than 0"),
    ("cauchy", {"scale": -2}, "scale must be greater than 0"),
    ("quantile", {"level": 1}, "level must be greater than 0 and less than 1"),
    ("focall", {}, "unknown loss 'focall': did you mean 'focal'?"),
    ("focl(gamma=1)", {}, "unknown loss 'focl' in 'focl(gamma=1)': did you mean 'focal'?"),
    ("focal(2)", {}, "parameters of 'focal' are written once each as name=number, found '2'"),
    ("focal(gamma=two)", {}, "found 'gamma=two'"),
    ("focal(gamma=1, gamma=2)", {}, "found 'gamma=2'"),
    ("focal(gamma=1,)", {}, "as name=number, found ''"),
]


@pytest.mark.parametrize(("name", "parameters", "words"), WRONG, ids=str)
def test_mistakes_are_one_sentence(name, parameters, words):
    with pytest.raises(ExpressionError) as caught:
        named_loss(name, **parameters)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_kind_that_a_loss_is_not_for_is_refused():
    with pytest.raises(ExpressionError, match="'focal' is for multiclass tasks, found regression"):
        named_loss("focal", kind=Kind.REGRESSION, gamma=1)


def test_the_documented_parameters_are_those_of_the_catalogue():
    page = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name, row in CATALOGUE.items():
        if row.ranges:
            (line,) = [line for line in rows if f"`{name}`" in line.split("|")[1]]
            _, _, parameters, values, _ = line.split("|")
            for key, value in row.parameters.items():
                assert f"`{key}` {value:g}" in parameters
            changing = [key for key in row.parameters if len({s[key] for s in row.grid}) > 1]
            found = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", re.sub("`.*?`", "", values))]
            assert found == [setting[key] for setting in row.grid for key in changing]
