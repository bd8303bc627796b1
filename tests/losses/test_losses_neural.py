"""What loss networks compute is what autograd makes of their definition."""

from __future__ import annotations

import pytest
import torch

from symloss.losses.neural.arithmetic import ACTIVATIONS, swept, values
from symloss.losses.neural.settings import NetworkSettings

NETWORKS, BATCH, OUTPUTS = 3, 5, 4


@pytest.mark.parametrize("leak", [0.01, 1.0])
@pytest.mark.parametrize("output", sorted(ACTIVATIONS))
@pytest.mark.parametrize("between", sorted(ACTIVATIONS))
def test_a_sweep_and_its_transpose_are_autograds(between, output, leak):
    settings = NetworkSettings(hidden=6, between=between, output=output, leak=leak)
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weights = drawn(NETWORKS, settings.size).requires_grad_()
    prediction = drawn(NETWORKS, BATCH, OUTPUTS).requires_grad_()
    target = drawn(BATCH, OUTPUTS)
    value = values(weights, prediction, target, settings)
    (slope,) = torch.autograd.grad(value.sum(), prediction, create_graph=True)
    direction = drawn(*slope.shape)
    expected = torch.zeros_like(weights)
    if slope.requires_grad:
        (expected,) = torch.autograd.grad(
            (slope * direction).sum(), weights, allow_unused=True, materialize_grads=True
        )
    with torch.no_grad():
        sweep = swept(weights, prediction, target, settings)
    columns = (NETWORKS, BATCH * OUTPUTS, 1)
    for found, wanted in (
        (sweep.value, value.detach().reshape(columns)),
        (sweep.slope, slope.detach().reshape(columns)),
        (sweep.transposed(direction.reshape(columns)), expected),
        (sweep.transposed(direction.reshape(columns)), expected),  # nothing of the sweep is used up
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
