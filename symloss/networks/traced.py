"""Networks of any shape through torch's function transforms and autograd."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from symloss.networks.network import Parameters
from symloss.networks.randomness import seeded


class Traced:
    """Any module whose operations `torch.func.vmap` can batch. Implements `Differentiable`.

    It draws nothing and keeps nothing from pass to pass; see `can_be_traced`.

    template: its structure; its own parameters are not used. buffers: stacked like parameters, or with one
    row for all networks.
    """

    name = "traced"

    def __init__(self, template: nn.Module, buffers: Parameters) -> None:
        self._template = template
        self._buffers = buffers

    def call(self, parameters: Parameters, x: Tensor, seed: int = 0) -> Tensor:
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
    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> TracedPass:
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


def can_be_traced(module: nn.Module, x: Tensor) -> bool:
    """Whether `Traced` computes what the module itself does, on some inputs x (batch, ...).

    Not if it draws at random, changes its buffers, computes something else in evaluation mode, or does what
    vmap cannot batch. The module is left as it is, and so are torch's generators.
    """
    try:
        expected = _steady_outputs(copy.deepcopy(module), x)
        if expected is None:
            return False
        parameters, buffers = stack_module_state([module, module])
        forward = Traced(copy.deepcopy(module), buffers).run(parameters, x)
        forward.backward(torch.ones_like(forward.outputs))
    except Exception:  # a stranger's module may fail in any way under vmap
        return False
    return all(torch.allclose(row, expected, rtol=1e-3, atol=1e-4) for row in forward.outputs)


@torch.no_grad()
def _steady_outputs(module: nn.Module, x: Tensor) -> Tensor | None:
    """Outputs that are the same in both modes and any number of times, or None."""
    before = {name: value.clone() for name, value in module.named_buffers()}
    with seeded() as seed_with:
        seed_with(0)
        state = torch.get_rng_state()
        training: Tensor = module.train()(x)
        drawn = not torch.equal(torch.get_rng_state(), state)
    changed = any(not torch.equal(value, before[name]) for name, value in module.named_buffers())
    if drawn or changed:
        return None
    return training if torch.equal(module.eval()(x), training) else None
