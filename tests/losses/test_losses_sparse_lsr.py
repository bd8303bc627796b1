"""Sparse label smoothing: the paper's limits, torch's label smoothing as the oracle, its expression twin."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import law
from torch.nn import functional

from symloss.expr import bound
from symloss.losses import named_loss
from symloss.losses.sparse_lsr import SparseLSRLoss
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss

SMOOTHINGS = st.floats(0.0, 0.9)


def with_probability(p, classes):
    """Logits of the target's probability p, the other classes being equally likely."""
    z = torch.full((1, classes), 0.0, dtype=torch.float64)
    z[0, 0] = torch.log(torch.tensor(p * (classes - 1) / (1 - p), dtype=torch.float64))
    return z.requires_grad_()


def value_and_slope(loss, z, y):
    z = z.detach().requires_grad_()
    value = loss(z, y)
    return value.detach(), torch.autograd.grad(value, z)[0]


def smoothed(smoothing):
    return lambda z, y: functional.cross_entropy(z, y, label_smoothing=smoothing)


# Classes, probability of the target, loss and gradient on its output, for smoothing 0.1.
PUBLISHED = [
    (2, 0.5, 0.69315, -0.4500),
    (2, 0.99, 0.23981, 0.0400),
    (10, 0.1, 2.30259, -0.8100),
    (10, 0.9, 0.50086, -0.0100),
    (10, 0.99, 0.62136, 0.0800),
    (100, 0.5, 1.14806, -0.4010),
    (100, 0.99, 0.91988, 0.0890),
    (1000, 0.99, 1.15909, 0.0899),
]


@pytest.mark.parametrize(("classes", "p", "value", "slope"), PUBLISHED)
def test_the_values_of_equation_nine(classes, p, value, slope):
    found, gradient = value_and_slope(SparseLSRLoss(0.1), with_probability(p, classes), torch.tensor([0]))
    assert found.item() == pytest.approx(value, abs=1e-5)
    assert gradient[0, 0].item() == pytest.approx(slope, abs=1e-4)


def test_the_worked_number_of_the_docstring():
    loss = SparseLSRLoss(0.25)(with_probability(0.9, 10), torch.tensor([0]))
    assert loss.item() == pytest.approx(1.0941, abs=5e-5)


@law
@given(SMOOTHINGS, st.floats(1e-6, 1 - 1e-9), st.integers(2, 300))
def test_it_is_label_smoothing_where_the_others_are_equal(smoothing, p, classes):
    z, y = with_probability(p, classes), torch.tensor([0])
    ours, theirs = value_and_slope(SparseLSRLoss(smoothing), z, y), value_and_slope(smoothed(smoothing), z, y)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


@law
@given(SMOOTHINGS, st.integers(0, 10**6), st.floats(0.1, 6.0))
def test_with_two_classes_they_are_one_loss(smoothing, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    z = scale * torch.randn(7, 2, dtype=torch.float64, generator=generator)
    y = torch.randint(2, (7,), generator=generator)
    ours, theirs = value_and_slope(SparseLSRLoss(smoothing), z, y), value_and_slope(smoothed(smoothing), z, y)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@law
@given(SMOOTHINGS, st.integers(0, 10**6), st.integers(2, 30), st.floats(0.1, 6.0))
def test_it_is_never_more_than_label_smoothing(smoothing, seed, classes, scale):
    """By Jensen's inequality."""
    generator = torch.Generator().manual_seed(seed)
    z = scale * torch.randn(7, classes, dtype=torch.float64, generator=generator)
    y = torch.randint(classes, (7,), generator=generator)
    own = SparseLSRLoss(smoothing, reduction="none")(z, y)
    others = functional.cross_entropy(z, y, label_smoothing=smoothing, reduction="none")
    assert (own <= others + 1e-9).all()


@law
@given(st.floats(0.01, 0.9), st.integers(2, 300))
def test_its_minimum_is_where_label_smoothing_has_it(smoothing, classes):
    p = 1 - smoothing + smoothing / classes
    _, slope = value_and_slope(SparseLSRLoss(smoothing), with_probability(p, classes), torch.tensor([0]))
    assert slope.abs().max() < 1e-9


def test_without_smoothing_it_is_cross_entropy():
    z, y = torch.randn(4, 6, 3, dtype=torch.float64), torch.randint(6, (4, 3))
    y[0, 0] = -100
    weight = torch.rand(6, dtype=torch.float64)
    for options in ({}, {"weight": weight}, {"reduction": "none"}, {"reduction": "sum", "weight": weight}):
        ours, theirs = SparseLSRLoss(0.0, **options), torch.nn.CrossEntropyLoss(**options)
        torch.testing.assert_close(ours(z, y), theirs(z, y))


def test_a_saturated_output_keeps_the_gradient_of_label_smoothing():
    """Where 1 - exp(log p) rounds to zero, a clamped form would learn nothing more."""
    for gap in (16.0, 17.0, 40.0, 80.0):
        z = torch.zeros(1, 10)
        z[0, 0] = gap
        _, ours = value_and_slope(SparseLSRLoss(0.1), z, torch.tensor([0]))
        assert ours[0, 0].item() == pytest.approx(0.09, abs=1e-4)


@law
@given(SMOOTHINGS, st.integers(2, 12))
def test_its_expression_is_the_same_loss(smoothing, classes):
    loss = SparseLSRLoss(smoothing)
    twin = SymbolicLossModule(SymbolicLoss(bound(loss.expression, classes), Kind.MULTICLASS))
    z, y = torch.randn(5, classes, dtype=torch.float64), torch.randint(classes, (5,))
    torch.testing.assert_close(value_and_slope(loss, z, y), value_and_slope(twin, z, y), rtol=1e-8, atol=1e-9)


def test_the_published_scripts_sign_would_be_noticed():
    def wrong(z, y):
        log_p = torch.log_softmax(z, -1).gather(1, y[:, None])
        return (-0.91 * log_p + 0.09 * torch.log((1 - log_p.exp()) / 9)).mean()

    z, y = with_probability(0.99, 10), torch.tensor([0])
    assert value_and_slope(SparseLSRLoss(0.1), z, y)[1][0, 0] > 0 > value_and_slope(wrong, z, y)[1][0, 0]


def test_mistakes_get_a_sentence():
    with pytest.raises(ValueError, match="at least 0 and less than 1, found 1"):
        SparseLSRLoss(1.0)
    with pytest.raises(ValueError, match="at least two classes, found 1"):
        SparseLSRLoss()(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="at least two classes, found 1"):
        named_loss("sparse-lsr")(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))
    assert named_loss("focal")(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long)) == 0.0
    with pytest.raises(ValueError, match="found 'average'"):
        SparseLSRLoss(reduction="average")(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))


def test_it_is_found_where_losses_are():
    import symloss.losses

    assert symloss.losses.SparseLSRLoss is SparseLSRLoss
