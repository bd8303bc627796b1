"""Explicit rules, torch's transforms and plain autograd agree on every network."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import recorder
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from symloss.networks import Chain, Network, Parameters, Recorded, Traced, as_chain
from symloss.tasks.models import MODELS

BATCH, NETWORKS = 5, 3


class Methods(nn.Module):
    """A network as people write it: functions and methods, and layers by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.first = nn.Linear(4 * 4 * 4, 7)
        self.last = nn.Linear(7, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv(x))
        x = x.view(x.size(0), -1)
        return self.last(torch.tanh(self.first(x)).sigmoid())


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x + torch.relu(self.inner(x)))


class Scaled(nn.Module):
    """A parameter outside layers, and one used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.ones(8)), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x * self.scale))


class Frozen(nn.Module):
    """Its outputs are those of a chain and its gradients are not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.first(x)
        return self.last(x)


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Linear(8, 3))
    module[0].register_forward_hook(lambda module, inputs, output: output.clamp(max=1e6))
    return module


class Deaf(nn.Linear):
    """A subclass that computes something else than its parent."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


CHAINS = {
    "linear": (lambda: MODELS["linear"].build((8,), 3), (8,)),
    "mlp": (lambda: MODELS["mlp"].build((8,), 3), (8,)),
    "lenet5": (lambda: MODELS["lenet5"].build((1, 8, 8), 3), (1, 8, 8)),
    "alone": (lambda: nn.Linear(8, 3), (8,)),
    "methods": (Methods, (2, 4, 4)),
    "strides": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=2, dilation=2, groups=2, bias=False),
            nn.Tanh(),
            nn.MaxPool2d(2, 1),
            nn.Flatten(),
            nn.Linear(4 * 3 * 3, 3),
        ),
        (2, 8, 8),
    ),
    "pools": (
        lambda: nn.Sequential(
            nn.AvgPool2d(3), nn.Identity(), nn.Dropout(0.0), nn.Conv2d(2, 3, 1), nn.Flatten(), nn.Sigmoid()
        ),
        (2, 6, 6),
    ),
    "ends in an activation": (lambda: nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Tanh(), nn.ReLU()), (8,)),
}
OTHERS = {
    "residual": (Residual, (8,)),
    "scaled": (Scaled, (8,)),
    "frozen": (Frozen, (8,)),
    "hooked": (hooked, (8,)),
    "subclass": (lambda: nn.Sequential(Deaf(8, 3)), (8,)),
    "normalised": (lambda: nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3)), (8,)),
    "circular": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), nn.Flatten()),
        (2, 4, 4),
    ),
    "overlapping pool": (lambda: nn.Sequential(nn.AvgPool2d(3, 2), nn.Flatten(), nn.Linear(2, 3)), (2, 4, 4)),
    "uncovered pool": (lambda: nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)), (2, 5, 5)),
}


def pairs(*others: str) -> list[tuple[str, str]]:
    """Every network with every way of computing it."""
    ways = [(name, "chain") for name in CHAINS] + [(name, "traced") for name in [*CHAINS, *others]]
    return ways + [(name, f"recorded {kind}") for name, kind in ways]


def made(maker, shape, count=NETWORKS):
    """Modules in float64, their stacked parameters, and inputs."""
    torch.manual_seed(3)
    modules = [maker().double() for _ in range(count)]
    stacked, _ = stack_module_state(modules)
    parameters = {name: value.detach() for name, value in stacked.items()}
    return modules, parameters, torch.randn(BATCH, *shape, dtype=torch.float64)


def networks(maker, shape) -> dict[str, Network]:
    modules, _, x = made(maker, shape, 1)
    chain = as_chain(modules[0], x)
    found: dict[str, Network] = ({"chain": chain} if chain else {}) | {"traced": Traced(modules[0], {})}
    return found | {f"recorded {name}": Recorded(network, recorder) for name, network in found.items()}


def direction_of(parameters: Parameters, count: int) -> Parameters:
    generator = torch.Generator().manual_seed(8)
    return {
        name: torch.randn(count, *value.shape[1:], generator=generator, dtype=torch.float64)
        for name, value in parameters.items()
    }


def autograd(module: nn.Module, parameters: Parameters, row: int, x: Tensor, gradient: Tensor) -> Parameters:
    """The reference: one network, plain autograd."""
    leaves = {name: value[row].clone().requires_grad_() for name, value in parameters.items()}
    outputs = functional_call(module, leaves, (x,))
    found = torch.autograd.grad(outputs, list(leaves.values()), gradient)
    return dict(zip(leaves, found, strict=True))


@pytest.mark.parametrize("name", CHAINS)
def test_these_are_chains(name):
    maker, shape = CHAINS[name]
    modules, _, x = made(maker, shape, 1)
    assert as_chain(modules[0], x) is not None


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_chain_of_known_layers_is_left_to_torch(name):
    maker, shape = OTHERS[name]
    modules, _, x = made(maker, shape, 1)
    assert as_chain(modules[0], x) is None


def test_a_chain_that_was_read_wrongly_is_not_used():
    """Reshaping is taken for flattening; here it is not, and the comparison of outputs finds out."""

    class Sneaky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.view(-1, 4))

    assert as_chain(Sneaky(), torch.randn(2, 2, 2)) is not None
    assert as_chain(Sneaky(), torch.randn(2, 2, 4)) is None


@pytest.mark.parametrize(("name", "kind"), pairs("residual", "scaled", "normalised"))
def test_outputs_and_gradients_equal_those_of_each_network_alone(name, kind):
    maker, shape = (CHAINS | OTHERS)[name]
    network = networks(maker, shape)[kind]
    modules, parameters, x = made(maker, shape)
    forward = network.run(parameters, x)
    gradient = torch.randn_like(forward.outputs)
    found = forward.backward(gradient)
    torch.testing.assert_close(network.outputs(parameters, x), forward.outputs)
    for row, module in enumerate(modules):
        torch.testing.assert_close(forward.outputs[row], module(x).detach())
        for key, value in autograd(module, parameters, row, x, gradient[row]).items():
            torch.testing.assert_close(found[key][row], value)


@pytest.mark.parametrize(("name", "kind"), pairs("residual", "normalised"))
def test_many_gradients_at_one_shared_network(name, kind):
    maker, shape = (CHAINS | OTHERS)[name]
    network = networks(maker, shape)[kind]
    modules, parameters, x = made(maker, shape, 1)
    forward = network.run(parameters, x)
    gradient = torch.randn(NETWORKS, *forward.outputs.shape[1:], dtype=torch.float64)
    found = forward.backward(gradient)
    for row in range(NETWORKS):
        for key, value in autograd(modules[0], parameters, 0, x, gradient[row]).items():
            torch.testing.assert_close(found[key][row], value)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("name", "kind"), pairs("residual", "normalised"))
def test_push_is_the_transpose_of_backward_and_the_slope_along_a_direction(name, kind, shared):
    maker, shape = (CHAINS | OTHERS)[name]
    network = networks(maker, shape)[kind]
    _, parameters, x = made(maker, shape, 1 if shared else NETWORKS)
    directions = direction_of(parameters, NETWORKS)
    forward = network.run(parameters, x)
    moved = forward.push(directions)
    assert moved.abs().max() > 0
    gradient = torch.randn_like(moved)
    found = forward.backward(gradient)
    across = sum((found[key] * directions[key]).sum() for key in found)
    torch.testing.assert_close((gradient * moved).sum(), across)
    # Central differences. No kink lies within so small a step of these random networks.
    shift = 1e-6
    sides = [
        network.outputs({k: v + sign * shift * directions[k] for k, v in parameters.items()}, x)
        for sign in (1, -1)
    ]
    torch.testing.assert_close(moved, (sides[0] - sides[1]) / (2 * shift), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CHAINS)
def test_inputs_and_gradients_are_left_as_they_were(name):
    maker, shape = CHAINS[name]
    chain = networks(maker, shape)["chain"]
    _, parameters, x = made(maker, shape)
    before = x.clone()
    forward = chain.run(parameters, x)
    gradient = torch.randn_like(forward.outputs)
    copies = gradient.clone(), forward.outputs.clone()
    forward.backward(gradient)
    forward.push(direction_of(parameters, NETWORKS))
    assert torch.equal(x, before)
    assert torch.equal(gradient, copies[0])
    assert torch.equal(forward.outputs, copies[1])


@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid]),
    bias=st.booleans(),
    count=st.integers(1, 4),
)
@settings(max_examples=30, deadline=None)
def test_random_perceptrons(widths, activation, bias, count):
    def maker() -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after, bias=bias), activation()]
        return nn.Sequential(*layers)

    modules, parameters, x = made(maker, (widths[0],), count)
    chain = as_chain(modules[0], x)
    assert isinstance(chain, Chain)
    forward = chain.run(parameters, x)
    gradient = torch.randn_like(forward.outputs)
    found = forward.backward(gradient)
    for row, module in enumerate(modules):
        for key, value in autograd(module, parameters, row, x, gradient[row]).items():
            torch.testing.assert_close(found[key][row], value)


def test_buffers_belong_to_their_networks():
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)
            self.register_buffer("shift", torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x + self.shift)

    modules = [Shifted() for _ in range(3)]
    parameters, buffers = stack_module_state(modules)
    x = torch.randn(5, 4)
    assert as_chain(modules[0], x) is None
    network = Traced(modules[0], buffers)
    torch.testing.assert_close(
        network.outputs(parameters, x).detach(), torch.stack([m(x) for m in modules]).detach()
    )
    rows = torch.tensor([2, 0])
    kept = network.keep(rows).outputs({name: value[rows] for name, value in parameters.items()}, x)
    torch.testing.assert_close(kept.detach(), torch.stack([modules[2](x), modules[0](x)]).detach())
