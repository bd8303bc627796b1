"""AdaLFL for a user's own training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from symloss.errors import ConfigError
from symloss.losses.entry import targets_of
from symloss.losses.neural.network import LossNetwork
from symloss.losses.neural.stacked import StackedNetworks
from symloss.losses.tunable import Transpose
from symloss.meta.meta_gradient import task_loss as usual_loss
from symloss.meta.online.optimisers import Named, StepDerivative, check_optimiser
from symloss.meta.online.pushing import Recorded, pushed, recorded
from symloss.networks.randomness import seeded, step_seed

Batch = tuple[Any, Tensor]
"""Inputs of the model, and labels."""

RATE = 1e-5
"""Of Adam on the loss, as in the paper: larger rates make training restless."""


@dataclass(frozen=True)
class Stepped:
    """What a step saw: the learned loss before it, and the task loss after it (None without a meta batch)."""

    loss: Tensor
    task_loss: Tensor | None


class OnlineLossLearner:
    """Trains a model under a loss that learns while the model trains.

    Each `step` makes one step of the user's optimiser under the loss, then one step of Adam on the loss: down
    the gradient of the task loss that the stepped model has on another batch. That gradient is exact:

        d task / d phi = -d/dphi <g(phi), J P v>

    with g the loss's gradient by the outputs, v that of the task loss by the new weights, P the derivative of
    the optimiser's step, and J v found by one forward-mode pass. There is no second model, and no double
    backward pass through it.

    Args:    model: maps inputs to raw outputs (batch, outputs). It trains in whatever mode it is in.
             adaptive: an `AdaptiveLoss` or any `LossNetwork`; its weights are what is learned.
             optimizer: SGD, Adam or AdamW over the model's parameters; learning rates may change.
             task_loss: what the model is for, (outputs, labels) -> a scalar; cross-entropy or the squared
             error if there is none. rate: of Adam on the loss; 0 leaves the loss as it is.
             share: the meta batch of each step is the training batch of the next, whose pass is then made
             once and serves both. Otherwise it is a batch of validation data, passed in the model's mode
             without a trace: running statistics and random states are left alone.
             Called again with the same inputs and torch's same random numbers, the model must do the same.
    Raises:  ConfigError for an optimiser whose step is not known, for a scripted model, for one that writes
             over its inputs, and for outputs of another shape.
    Reference: Raymond et al., "Meta-Learning Adaptive Loss Functions", arXiv 2301.13247, algorithm 2.
    """

    def __init__(
        self,
        model: nn.Module,
        adaptive: LossNetwork,
        optimizer: Optimizer,
        task_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        *,
        rate: float = RATE,
        share: bool = False,
    ) -> None:
        check_optimiser(optimizer)
        if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
            raise ConfigError("online adaptation cannot look into scripted models: give the model itself")
        self.model, self.adaptive, self.optimizer = model, adaptive, optimizer
        self.task_loss = task_loss or (lambda outputs, labels: usual_loss(outputs, labels, adaptive.kind))
        self.adam = torch.optim.Adam([adaptive.weights], lr=rate)
        self.steps = 0
        self._share = share
        self._losses = StackedNetworks(1, adaptive.kind, adaptive.settings)
        self._next: Recorded | None = None

    def step(self, batch: Batch, meta_batch: Batch | None = None) -> Stepped:
        """Train the model by one step on `batch`, and the loss by its effect on `meta_batch`.

        Without a meta batch the loss stays as it is. Parameters keep their gradients in `.grad`.
        """
        x, labels = batch
        seen = self._pass(x)
        value, gradient, transpose = self._linearised(seen.outputs, labels)
        parameters = self._trained()
        derivative = StepDerivative(self.optimizer, parameters)
        self._set_gradients(parameters, seen.outputs, gradient)
        start = None if meta_batch is None else {n: p.detach().clone() for n, p in parameters.items()}
        self.optimizer.step()
        self.steps += 1
        if meta_batch is None or start is None:
            return Stepped(value, None)
        found, slopes = self._task_slopes(parameters, meta_batch)
        directions, factor = derivative.times(slopes, start, parameters)
        self._adapt(pushed(self.model, self._all(start), directions, seen), factor, transpose)
        return Stepped(value, found)

    def _pass(self, x: Any) -> Recorded:
        """The training pass: the one that was made for the last step's meta batch, if that is shared."""
        kept, self._next = self._next, None
        if kept is None:
            return recorded(self.model, x)
        if kept.x is not x:
            raise ConfigError(
                "with share=True the meta batch of a step is the training batch of the next: "
                "give the same tensors again"
            )
        return kept

    def _linearised(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Transpose]:
        if outputs.dim() != 2:
            raise ConfigError(
                f"online adaptation needs outputs of shape (batch, outputs), found {tuple(outputs.shape)}; "
                "flatten them, or wrap the model"
            )
        kind, weights = self.adaptive.kind, self.adaptive.weights
        targets = targets_of(labels, kind, outputs.shape[-1], weights.dtype).reshape(outputs.shape)
        wide = outputs.detach().to(weights.dtype)
        values, gradient, transpose = self._losses.valued(wide[None], targets, weights.detach()[None])
        return values[0], gradient[0].to(outputs.dtype), transpose

    def _trained(self) -> Named:
        """The model's parameters that the optimiser moves, by name."""
        moved = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return {
            name: value
            for name, value in self.model.named_parameters()
            if value.requires_grad and id(value) in moved
        }

    def _set_gradients(self, parameters: Named, outputs: Tensor, gradient: Tensor) -> None:
        found = torch.autograd.grad(outputs, list(parameters.values()), gradient, allow_unused=True)
        for parameter, own in zip(parameters.values(), found, strict=True):
            parameter.grad = own

    def _task_slopes(self, parameters: Named, meta_batch: Batch) -> tuple[Tensor, Named]:
        """The task loss of the stepped model, and its gradient where the step could have an effect."""
        x, labels = meta_batch
        used = {name: value for name, value in parameters.items() if value.grad is not None}
        if self._share:
            self._next = recorded(self.model, x)
            outputs = self._next.outputs
        else:
            outputs = self._without_a_trace(x)
        loss = self.task_loss(outputs, labels)
        found = torch.autograd.grad(
            loss, list(used.values()), retain_graph=self._share, allow_unused=True, materialize_grads=True
        )
        return loss.detach(), dict(zip(used, found, strict=True))

    def _without_a_trace(self, x: Any) -> Tensor:
        buffers = {name: value.detach().clone() for name, value in self.model.named_buffers()}
        device = self.adaptive.weights.device
        with seeded(device) as seed_with:
            seed_with(step_seed(0, self.steps))
            outputs = functional_call(self.model, buffers, (x,))
        assert isinstance(outputs, Tensor)
        return outputs

    def _all(self, start: Named) -> Named:
        """Parameters before the step, those that stood still among them."""
        return {name: start.get(name, value.detach()) for name, value in self.model.named_parameters()}

    def _adapt(self, push: Tensor, factor: float, transpose: Transpose) -> None:
        weights = self.adaptive.weights
        slope = transpose(push.to(weights.dtype)[None], -factor)[0]
        # One batch without a finite gradient must not spoil Adam's averages: the loss stands still instead.
        weights.grad = torch.nan_to_num(slope, 0.0, 0.0, 0.0)
        self.adam.step()

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, beside the model, the optimiser and the loss themselves."""
        return {"steps": self.steps, "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.steps = int(state["steps"])
        self.adam.load_state_dict(state["adam"])
