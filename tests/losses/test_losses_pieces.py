"""The true class's log-odds and log-probability: exact at every distance, in every layout."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import law

from symloss.losses import pieces

FAR = st.floats(-400.0, 400.0) | st.floats(-1e4, 1e4)
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-13}


def reference(z, index, dim, others):
    """The same by the definition, in double precision, and its gradient."""
    z = z.detach().double().requires_grad_()
    rest = z.scatter(dim, index, -torch.inf) if others else z
    value = z.gather(dim, index) - rest.logsumexp(dim, keepdim=True)
    return value.detach(), torch.autograd.grad(value.sum(), z)[0]


def found(z, index, dim, others):
    z = z.detach().requires_grad_()
    value, _, _ = pieces._TrueClass.apply(z, index, dim, others)
    return value.detach(), torch.autograd.grad(value.sum(), z)[0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("others", [True, False])
@law
@given(gap=FAR, classes=st.integers(2, 40), dim=st.integers(0, 2), seed=st.integers(0, 99))
def test_it_is_the_definition_however_far_the_true_class_is(dtype, others, gap, classes, dim, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = [2, 3]
    shape.insert(dim, classes)
    z = torch.randn(shape, generator=generator, dtype=torch.float64)
    one = [2, 3]
    one.insert(dim, 1)
    index = torch.randint(classes, one, generator=generator)
    z = z.scatter_add(dim, index, torch.full(one, gap, dtype=torch.float64)).to(dtype)
    value, gradient = found(z, index, dim, others)
    expected, slopes = reference(z, index, dim, others)
    scale = max(1.0, abs(gap))
    torch.testing.assert_close(value.double(), expected, rtol=0, atol=TOLERANCE[dtype] * scale)
    torch.testing.assert_close(gradient.double(), slopes, rtol=0, atol=2 * TOLERANCE[dtype])


def test_what_is_not_a_number_stays_so():
    z = torch.tensor([[0.0, torch.nan, 1.0], [0.0, 1.0, 2.0]])
    value, _ = found(z, torch.tensor([[0], [1]]), 1, True)
    assert value[0].isnan()
    assert value[1].isfinite()
