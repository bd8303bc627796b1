"""Networks that train in lockstep, each under a loss of its own that learns meanwhile (AdaLFL)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from symloss.losses.entry import targets_of
from symloss.losses.function import OnlineLoss
from symloss.losses.neural.stacked import stacked, usual_gradient
from symloss.meta.batches import training_inputs
from symloss.meta.lockstep import BatchOrder
from symloss.meta.plan import Plan
from symloss.meta.settings import Training
from symloss.meta.training import Heat, Job
from symloss.networks import Separate
from symloss.networks.randomness import step_seed
from symloss.tasks.task import Task

Watch = Callable[[Tensor, Tensor], None]
"""Is shown the outputs (K, batch, outputs) and targets of every training batch."""


class OnlineHeat(Heat):
    """Networks under online losses, which share settings, rate and kind of meta batch.

    Each step: one of the optimiser under the losses as they are, then one of Adam on the losses' weights (K,
    size), along the exact gradient of the task loss of the stepped networks on a meta batch. As in
    `meta_gradient`, all passes are in training mode; those on meta batches leave running statistics alone.
    """

    def __init__(
        self,
        task: Task,
        jobs: Sequence[Job],
        training: Training,
        batch_seed: int,
        plan: Plan,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(task, jobs, training, batch_seed, plan)
        losses = [job.loss for job in jobs if isinstance(job.loss, OnlineLoss)]
        (first, *others) = losses
        assert len(losses) == len(jobs)
        assert all(family(own) == family(first) for own in others)
        self._losses = stacked(len(jobs), task.kind, first.settings)
        x = task.train.x
        self.weights = torch.tensor([own.weights for own in losses], dtype=x.dtype, device=x.device)
        self._adam = torch.optim.Adam([self.weights], lr=first.rate)
        self._on_validation = first.meta_batch == "validation"
        self._meta_order = BatchOrder(
            len(task.valid), training.batch_size, training.steps, batch_seed + 1, x.device
        )
        self._last = training.steps - 1
        self._watch = watch

    def _set_losses(self) -> None:
        """There is nothing of what `Heat` trains under."""

    @torch.no_grad()
    def advance(self, steps: int, tick: Callable[[], None] | None = None) -> None:
        for step in range(self._done, steps):
            self._step(step)
            if tick is not None:
                tick()
        self._done = max(steps, self._done)

    def _step(self, step: int) -> None:
        task, fleet = self._task, self.fleet
        batch = self._order[step]
        x = training_inputs(task, batch, self._batch_seed, step)
        # The optimiser writes over the fleet's parameters, and the pass is needed at those before the step.
        start = {name: value.clone() for name, value in fleet.parameters.items()}
        forward = fleet.network.run(start, x, step_seed(self._batch_seed, step))
        targets = targets_of(task.train.y[batch], task.kind, task.num_outputs, x.dtype)
        gradient, transpose = self._losses.linearised(forward.outputs, targets, self.weights)
        fleet.follow(forward, gradient)
        if self._watch is not None:
            self._watch(forward.outputs, targets)
        meta = self._meta_batch(step)
        if meta is None:
            return
        inputs, labels = meta
        network = fleet.network
        with network.without_a_trace() if isinstance(network, Separate) else nullcontext():
            stepped = network.run(fleet.parameters, inputs, step_seed(self._batch_seed, step, 1))
        usual = usual_gradient(stepped.outputs, labels, task.kind, plain=True)
        directions = fleet.effect(stepped.backward(usual))
        slope = transpose(forward.push(directions), -1.0)
        # A network that diverges must not spoil Adam's averages with NaN: its loss stands still instead.
        self.weights.grad = torch.nan_to_num(slope, 0.0, 0.0, 0.0)
        self._adam.step()

    def _meta_batch(self, step: int) -> tuple[Tensor, Tensor] | None:
        """Inputs and labels; None where the training has no next batch."""
        task = self._task
        if self._on_validation:
            batch = self._meta_order[step]
            return task.valid.x[batch], task.valid.y[batch]
        if step == self._last:
            return None
        batch = self._order[step + 1]
        return training_inputs(task, batch, self._batch_seed, step + 1), task.train.y[batch]

    def keep(self, rows: Sequence[int]) -> None:
        raise NotImplementedError("networks under losses that learn are trained to their end")

    def state(self) -> dict[str, Any]:
        """Where the training stands, as tensors and plain values."""
        return {
            "done": self._done,
            "fleet": self.fleet.state(),
            "weights": self.weights,
            "adam": self._adam.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a heat that was made alike."""
        self._done = int(state["done"])
        with torch.no_grad():
            self.fleet.restore(state["fleet"])
            self.weights.copy_(state["weights"])
        self._adam.load_state_dict(state["adam"])


def family(loss: OnlineLoss) -> tuple[object, ...]:
    """What online losses must have in common to learn in one heat."""
    return loss.settings, loss.rate, loss.meta_batch, len(loss.weights)
