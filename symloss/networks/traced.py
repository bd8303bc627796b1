"""Networks of any shape through torch's function transforms and autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from symloss.networks.network import Parameters


class Traced:
    """Any module whose operations `torch.func.vmap` can batch. Implements `Network`.

    template: its structure; its own parameters are not used. buffers: stacked like parameters, or with one
    row for all networks.
    """

    name = "traced"

    def __init__(self, template: nn.Module, buffers: Parameters) -> None:
        self._template = template
        self._buffers = buffers

    def call(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Outputs (M, batch, outputs), differentiable by autograd in the parameters."""
        count = next(iter(parameters.values())).shape[0]
        buffers = {name: value.expand(count, *value.shape[1:]) for name, value in self._buffers.items()}

        def one(parameters: Parameters, buffers: Parameters, x: Tensor) -> Tensor:
            result = functional_call(self._template, (parameters, buffers), (x,))
            assert isinstance(result, Tensor)
            return result

        batched: Tensor = vmap(one, in_dims=(0, 0, None))(parameters, buffers, x)
        return batched

    @torch.no_grad()
    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.call(parameters, x)

    @torch.enable_grad()
    def run(self, parameters: Parameters, x: Tensor) -> TracedPass:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        return TracedPass(leaves, self.call(leaves, x))

    def keep(self, rows: Tensor) -> Traced:
        return Traced(self._template, {name: value[rows] for name, value in self._buffers.items()})


class TracedPass:
    """Implements `Pass`."""

    def __init__(self, leaves: Parameters, outputs: Tensor) -> None:
        self._leaves, self._graph = leaves, outputs
        self.outputs = outputs.detach()

    def backward(self, gradient: Tensor) -> Parameters:
        leaves = list(self._leaves.values())
        shared = self.outputs.shape[0] == 1 and gradient.shape[0] > 1
        found = torch.autograd.grad(
            self._graph,
            leaves,
            gradient[:, None] if shared else gradient,
            retain_graph=True,
            materialize_grads=True,
            allow_unused=True,
            is_grads_batched=shared,
        )
        rows = [slope[:, 0] if shared else slope for slope in found]
        return dict(zip(self._leaves, rows, strict=True))

    def push(self, directions: Parameters) -> Tensor:
        """As the transpose of the transpose, since torch's forward mode cannot run in two threads at once."""
        leaves = list(self._leaves.values())
        moved = [directions[name] for name in self._leaves]
        shared = self.outputs.shape[0] == 1 and moved[0].shape[0] > 1
        probe = torch.zeros_like(self.outputs, requires_grad=True)
        slopes = torch.autograd.grad(
            self._graph, leaves, probe, create_graph=True, materialize_grads=True, allow_unused=True
        )
        (found,) = torch.autograd.grad(
            [slope for slope in slopes if slope.requires_grad],
            [probe],
            [
                direction[:, None] if shared else direction
                for direction, slope in zip(moved, slopes, strict=True)
                if slope.requires_grad
            ],
            retain_graph=True,
            is_grads_batched=shared,
        )
        return found[:, 0] if shared else found
