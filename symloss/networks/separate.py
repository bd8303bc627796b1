"""Networks of any shape one after another: batch normalisation, dropout and in-place operations as usual."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from symloss.networks.network import Parameters
from symloss.networks.randomness import seeded


class Separate:
    """Any module, called once for each network by torch's own rules. Implements `Differentiable`.

    template: its structure; its own parameters are not used, and its mode is switched.
    buffers:  stacked like parameters, or with one row for all networks. They are copied: passes in training
              mode update those of each network, such as running statistics. One row for several networks
              is nobody's own, and stays as it is.
    """

    name = "separate"

    def __init__(self, template: nn.Module, buffers: Parameters) -> None:
        self._template = template
        self.buffers = {name: value.detach().clone() for name, value in buffers.items()}

    @torch.no_grad()
    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        self._template.eval()
        return torch.stack([self._one(parameters, row, x) for row in range(_rows(parameters))])

    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> SeparatePass:
        leaves = [
            {name: value[row].detach().requires_grad_() for name, value in parameters.items()}
            for row in range(_rows(parameters))
        ]
        return SeparatePass(leaves, self._training_outputs(leaves, x, seed))

    def call(self, parameters: Parameters, x: Tensor, seed: int = 0) -> Tensor:
        rows = [{name: value[row] for name, value in parameters.items()} for row in range(_rows(parameters))]
        return torch.stack(self._training_outputs(rows, x, seed))

    def keep(self, rows: Tensor) -> Separate:
        return Separate(self._template, {name: value[rows] for name, value in self.buffers.items()})

    @contextmanager
    def without_a_trace(self) -> Iterator[None]:
        """Passes in the block leave running statistics as they were."""
        before = {name: value.clone() for name, value in self.buffers.items()}
        try:
            yield
        finally:
            for name, value in self.buffers.items():
                value.copy_(before[name])

    @torch.enable_grad()
    def _training_outputs(self, rows: list[Parameters], x: Tensor, seed: int) -> list[Tensor]:
        """Outputs of each network in training mode. All draw from `seed`: the same dropout masks."""
        self._template.train()
        found = []
        with seeded(x.device) as seed_with:
            for index, parameters in enumerate(rows):
                seed_with(seed)
                own = self._own_buffers(index)
                found.append(_called(self._template, parameters, own, x))
                self._update(index, len(rows), own)
        return found

    def _one(self, parameters: Parameters, row: int, x: Tensor) -> Tensor:
        own = {name: value[row] for name, value in parameters.items()}
        return _called(self._template, own, self._own_buffers(row), x)

    def _own_buffers(self, row: int) -> Parameters:
        """A network's buffers, copied: what a backward pass may need later must not be overwritten."""
        return {name: value[row if value.shape[0] > 1 else 0].clone() for name, value in self.buffers.items()}

    @torch.no_grad()
    def _update(self, row: int, count: int, own: Parameters) -> None:
        for name, value in self.buffers.items():
            if value.shape[0] == count:
                value[row].copy_(own[name])


class SeparatePass:
    """Implements `Pass`."""

    def __init__(self, leaves: list[Parameters], graphs: list[Tensor]) -> None:
        self._leaves, self._graphs = leaves, graphs
        self.outputs = torch.stack([graph.detach() for graph in graphs])

    def backward(self, gradient: Tensor) -> Parameters:
        found = []
        for index in range(gradient.shape[0]):
            leaves, graph = self._row(index)
            slopes = torch.autograd.grad(
                graph,
                list(leaves.values()),
                gradient[index],
                retain_graph=True,
                materialize_grads=True,
                allow_unused=True,
            )
            found.append(dict(zip(leaves, slopes, strict=True)))
        return {name: torch.stack([slopes[name] for slopes in found]) for name in self._leaves[0]}

    def push(self, directions: Parameters) -> Tensor:
        """As the transpose of the transpose, since torch's forward mode cannot run in two threads at once."""
        count = next(iter(directions.values())).shape[0]
        shared = self._transposed(0) if len(self._leaves) == 1 else None
        rows: list[Tensor] = []
        for index in range(count):
            probe, slopes = shared or self._transposed(index)
            used = {name: slope for name, slope in slopes.items() if slope.requires_grad}
            moved = [directions[name][index] for name in used]
            rows += torch.autograd.grad(list(used.values()), [probe], moved, retain_graph=shared is not None)
        return torch.stack(rows)

    def _row(self, index: int) -> tuple[Parameters, Tensor]:
        row = index if len(self._leaves) > 1 else 0
        return self._leaves[row], self._graphs[row]

    def _transposed(self, index: int) -> tuple[Tensor, Parameters]:
        """Gradients of one network's parameters as linear functions of a probe, in place of its outputs'."""
        leaves, graph = self._row(index)
        probe = torch.zeros_like(graph, requires_grad=True)
        slopes = torch.autograd.grad(
            graph, list(leaves.values()), probe, create_graph=True, materialize_grads=True, allow_unused=True
        )
        return probe, dict(zip(leaves, slopes, strict=True))


def _rows(parameters: Parameters) -> int:
    return next(iter(parameters.values())).shape[0]


def _called(template: nn.Module, parameters: Parameters, buffers: Parameters, x: Tensor) -> Tensor:
    """Outputs; `buffers` become what the module leaves behind, whether changed in place or replaced."""
    values = {**parameters, **buffers}
    result = functional_call(template, values, (x,))
    assert isinstance(result, Tensor)
    buffers.update({name: values[name] for name in buffers})
    return result
