"""Passes are recorded once for each form, replayed with other numbers, and never in each other's way."""

from __future__ import annotations

import pytest
import torch
from recording import recorder
from torch import nn
from torch.func import stack_module_state

from symloss.networks import Network, Recorded, Traced, as_chain
from symloss.networks.recorded import KEPT, _padded


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr("symloss.networks.recorded._KEPT", [])


class Counting:
    """A recorder that counts what it records."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, function):
        self.count += 1
        return recorder(function)


def maker() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3)
    )


def parameters_of(count: int, seed: int):
    torch.manual_seed(seed)
    stacked, _ = stack_module_state([maker().double() for _ in range(count)])
    return {name: value.detach() for name, value in stacked.items()}


@pytest.fixture(params=["chain", "traced"])
def network(request) -> Network:
    module = maker().double()
    x = torch.randn(4, 1, 4, 4, dtype=torch.float64)
    chain = as_chain(module, x)
    assert chain is not None
    return chain if request.param == "chain" else Traced(module, {})


def inputs_of(seed: int) -> torch.Tensor:
    return torch.randn(6, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def same(one, other) -> None:
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_what_is_recorded_once_is_replayed_for_other_numbers_and_numbers_of_networks(network):
    count = Counting()
    recorded = Recorded(network, count)
    for seed, rows in enumerate((3, 3, 5, 8, 2, 3)):
        parameters, x = parameters_of(rows, seed), inputs_of(seed)
        passes = network.run(parameters, x), recorded.run(parameters, x)
        gradient = torch.randn(rows, 6, 3, dtype=torch.float64)
        same(passes[1].outputs, passes[0].outputs)
        expected = passes[0].backward(gradient)
        same(passes[1].backward(gradient), expected)
        moved = passes[0].push(expected)
        same(passes[1].push(expected), moved)
        same(passes[1].backward(-2.0 * gradient), {name: -2.0 * value for name, value in expected.items()})
        same(passes[1].outputs, passes[0].outputs)
        del passes
    assert count.count == 3  # a forward pass, backward, and push, for up to eight networks
    recorded.run(parameters_of(9, 0), inputs_of(0))
    assert count.count == 4


def test_few_forms_suffice_for_any_number_of_networks():
    sizes = [_padded(count) for count in range(1, 257)]
    assert all(count <= size for count, size in enumerate(sizes, start=1))
    assert all(size <= 1.5 * count for count, size in enumerate(sizes, start=1) if count > 16)
    assert sorted(set(sizes)) == [1, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256]


def test_parameters_may_come_in_any_order():
    """As gradients do, from the last layer to the first."""
    network = as_chain(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), torch.randn(2, 3))
    assert network is not None
    recorded = Recorded(network, recorder)
    torch.manual_seed(0)
    shapes = {"0.weight": (2, 3, 3), "0.bias": (2, 3), "1.weight": (2, 3, 3), "1.bias": (2, 3)}
    parameters = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    turned = dict(reversed(parameters.items()))
    x = torch.randn(5, 3, dtype=torch.float64)
    expected = network.run(parameters, x).push(parameters)
    for directions in (parameters, turned):
        same(recorded.run(parameters, x).push(directions), expected)


def test_many_directions_at_one_shared_network(network):
    count = Counting()
    recorded = Recorded(network, count)
    for seed, rows in enumerate((3, 1, 7)):
        parameters, x = parameters_of(1, seed), inputs_of(seed)
        passes = network.run(parameters, x), recorded.run(parameters, x)
        gradient = torch.randn(rows, 6, 3, dtype=torch.float64)
        expected = passes[0].backward(gradient)
        same(passes[1].backward(gradient), expected)
        same(passes[1].push(expected), passes[0].push(expected))
        del passes
    assert count.count == 5


def test_passes_that_live_at_the_same_time_have_a_recording_each(network):
    count = Counting()
    recorded = Recorded(network, count)
    parameters = [parameters_of(2, seed) for seed in range(3)]
    alive = [recorded.run(own, inputs_of(0)) for own in parameters]
    gradient = torch.randn(2, 6, 3, dtype=torch.float64)
    for own, found in zip(parameters, alive, strict=True):
        expected = network.run(own, inputs_of(0))
        same(found.outputs, expected.outputs)
        same(found.backward(gradient), expected.backward(gradient))
    assert count.count == 6
    alive.clear()
    recorded.run(parameters[0], inputs_of(0)).backward(gradient)
    assert count.count == 6


def test_only_some_recordings_are_kept():
    count = Counting()
    chain = as_chain(nn.Linear(2, 1), torch.randn(3, 2))
    assert chain is not None
    recorded = Recorded(chain, count)
    parameters = {"weight": torch.randn(2, 1, 2), "bias": torch.randn(2, 1)}
    expected = parameters["weight"].sum((1, 2))[:, None] + parameters["bias"]
    for size in (*range(1, 21), 20, 20 - KEPT + 1):
        same(recorded.run(parameters, torch.ones(size, 2)).outputs[:, :, 0], expected.expand(2, size))
    assert count.count == 20
    recorded.run(parameters, torch.ones(1, 2))
    assert count.count == 21


def test_products_of_another_exactness_are_recorded_anew():
    count = Counting()
    chain = as_chain(nn.Linear(2, 1), torch.randn(3, 2))
    assert chain is not None
    recorded = Recorded(chain, count)
    parameters = {"weight": torch.randn(2, 1, 2), "bias": torch.randn(2, 1)}
    before = torch.get_float32_matmul_precision()
    try:
        for name in ("highest", "high", "highest"):
            torch.set_float32_matmul_precision(name)
            recorded.run(parameters, torch.ones(3, 2))
    finally:
        torch.set_float32_matmul_precision(before)
    assert count.count == 2
