"""Many networks of one shape, trained together as one batched model.

A `Fleet` holds K models: every parameter is stacked along a first axis of length K, and one call of
the network runs all of them. All see the same batches in the same order, so that models differ only
in their loss (and in their initialisation where seeds differ).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from symloss.errors import TaskError

Parameters = dict[str, Tensor]

_RANDOMNESS = threading.Lock()
"""Torch has one global random state; while a model is made, no other thread may use it."""


@dataclass(frozen=True)
class Optimiser:
    """Stochastic gradient descent, as in torch.optim.SGD.

    lr is one learning rate, or one per model as a tensor of shape (models,).
    """

    lr: float | Tensor = 0.01
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0


class Fleet:
    """K networks with stacked parameters of shape (K, ...).

    The template's own parameters are never used; buffers are stacked too and stay as they were made.
    """

    def __init__(self, template: nn.Module, parameters: Parameters, buffers: Parameters) -> None:
        self.template = template
        self.parameters = parameters
        self.buffers = buffers
        self._velocity: Parameters = {}

    @classmethod
    def seeded(cls, make_model: Callable[[], nn.Module], seeds: Sequence[int], device: torch.device) -> Fleet:
        """One model for each seed; equal seeds give equal models. Torch's global random state is kept."""
        models = {seed: seeded_model(make_model, seed) for seed in dict.fromkeys(seeds)}
        parameters, buffers = stack_module_state(list(models.values()))
        position = {seed: index for index, seed in enumerate(models)}
        rows = torch.tensor([position[seed] for seed in seeds])

        def stacked(tensors: Parameters) -> Parameters:
            return {name: tensor.detach()[rows].to(device) for name, tensor in tensors.items()}

        return cls(next(iter(models.values())).to("meta"), stacked(parameters), stacked(buffers))

    def __len__(self) -> int:
        return next(iter(self.parameters.values())).shape[0]

    def outputs(self, x: Tensor, parameters: Parameters | None = None, own_inputs: bool = False) -> Tensor:
        """Raw outputs (K, batch, outputs) for inputs x (batch, ...), or (K, batch, ...) if own_inputs."""

        def one(parameters: Parameters, buffers: Parameters, x: Tensor) -> Tensor:
            result = functional_call(self.template, (parameters, buffers), (x,))
            assert isinstance(result, Tensor)
            return result

        chosen = self.parameters if parameters is None else parameters
        batched: Tensor = vmap(one, in_dims=(0, 0, 0 if own_inputs else None))(chosen, self.buffers, x)
        return batched

    def step(
        self, x: Tensor, output_gradient: Callable[[Tensor], Tensor], opt: Optimiser, own_inputs: bool = False
    ) -> None:
        """One optimiser step. `output_gradient` maps outputs (K, batch, outputs) to their gradient."""
        names = list(self.parameters)
        leaves = [self.parameters[name].requires_grad_() for name in names]
        outputs = self.outputs(x, own_inputs=own_inputs)
        with torch.no_grad():
            incoming = output_gradient(outputs.detach())
        gradients = torch.autograd.grad(outputs, leaves, incoming, allow_unused=True)
        with torch.no_grad():
            for name, leaf, gradient in zip(names, leaves, gradients, strict=True):
                leaf.requires_grad_(False)
                if gradient is not None:
                    self._descend(name, leaf, gradient.contiguous(), opt)

    def _descend(self, name: str, parameter: Tensor, gradient: Tensor, opt: Optimiser) -> None:
        """Move one stacked parameter. The gradient is overwritten: large stacks are bound by memory."""
        if opt.weight_decay:
            gradient.add_(parameter, alpha=opt.weight_decay)
        if opt.momentum:
            if name in self._velocity:
                velocity = self._velocity[name].mul_(opt.momentum).add_(gradient)
            else:
                velocity = self._velocity[name] = gradient.clone()
            gradient = gradient.add_(velocity, alpha=opt.momentum) if opt.nesterov else velocity
        if isinstance(opt.lr, Tensor):
            parameter.addcmul_(gradient, opt.lr.view(-1, *[1] * (parameter.dim() - 1)), value=-1.0)
        else:
            parameter.add_(gradient, alpha=-opt.lr)


def seeded_model(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A new model whose initial weights depend on `seed` alone."""
    with _RANDOMNESS, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_model()


def check_lockstep(make_model: Callable[[], nn.Module]) -> None:
    """Raise TaskError if networks of this kind cannot be trained as one batched model.

    Stacked models share no state: running statistics cannot be updated, and dropout would draw from the
    global random state, which is not the same in every thread.
    """
    for name, module in seeded_model(make_model, 0).named_modules():
        tracking = isinstance(module, _BatchNorm) and module.track_running_stats
        dropping = isinstance(module, _DropoutNd) and module.p > 0
        if tracking or dropping:
            raise TaskError(
                f"the base model has a {type(module).__name__} ('{name}'), which cannot be trained in "
                "lockstep; use LayerNorm or GroupNorm instead of BatchNorm, and no dropout"
            )


class BatchOrder:
    """A fixed order of mini-batches: epochs of a shuffled data set, from a seed, the same for every model.

    `order[step]` is the index tensor (batch,) of a step. Whole epochs are drawn at a time; a batch may
    span two of them, so that every batch is full.
    """

    def __init__(self, size: int, batch_size: int, steps: int, seed: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(seed)
        batch = min(batch_size, size)
        epochs = -(-steps * batch // size)
        drawn = torch.cat([torch.randperm(size, generator=generator) for _ in range(max(epochs, 1))])
        self._indices = drawn[: steps * batch].view(steps, batch).to(device)

    def __len__(self) -> int:
        return self._indices.shape[0]

    def __getitem__(self, step: int) -> Tensor:
        return self._indices[step]
