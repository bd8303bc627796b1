"""Partial training of base models under candidate losses, and their scores on validation data."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.errors import TaskError
from symloss.losses.function import Loss, Losses, unweighted
from symloss.meta.balancing import Balance
from symloss.meta.batches import training_inputs
from symloss.meta.choosing import plan_for
from symloss.meta.lockstep import BatchOrder, Fleet, seeded_networks
from symloss.meta.plan import Plan
from symloss.meta.settings import Training
from symloss.networks import Network, Parameters
from symloss.networks.randomness import step_seed
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Split, Task
from symloss.workers import Lost, attempted

OUTPUT_CHUNK = 1024
"""Samples whose outputs are computed at once, so that memory does not grow with the data set."""


@dataclass(frozen=True)
class Job:
    """One network to train: its loss, the seed of its initial weights, and its learning rate."""

    loss: Loss
    seed: int
    learning_rate: float


class Heat:
    """Networks that train in lockstep, one for each job, on the same batches. They can stop on the way.

    The task's data decides the device and the precision.
    """

    def __init__(
        self, task: Task, jobs: Sequence[Job], training: Training, batch_seed: int, plan: Plan
    ) -> None:
        x = task.train.x
        self._task, self._jobs = task, list(jobs)
        network, parameters = seeded_networks(
            task.make_model, [job.seed for job in jobs], x.device, plan.network
        )
        rates = torch.tensor([job.learning_rate for job in jobs], dtype=x.dtype, device=x.device)
        self.fleet = Fleet(network, parameters, rates, training)
        self._order = BatchOrder(len(task.train), training.batch_size, training.steps, batch_seed, x.device)
        self._batch_seed, self._steps = batch_seed, training.steps
        self._done = 0
        self._set_losses()

    @property
    def done(self) -> int:
        """Steps that were made."""
        return self._done

    def _set_losses(self) -> None:
        task = self._task
        losses = [job.loss for job in self._jobs]
        self.losses = Losses(list(map(unweighted, losses)), task.kind, task.num_outputs, task.train.x)
        self._balance = Balance(task, losses)

    @torch.no_grad()
    def advance(self, steps: int, tick: Callable[[], None] | None = None) -> None:
        """Train until `steps` steps are done in all. `tick` is called every step."""
        data = self._task.train
        for step in range(self._done, steps):
            batch = self._order[step]
            x = training_inputs(self._task, batch, self._batch_seed, step)
            gradient = functools.partial(
                self._output_gradient, labels=data.y.index_select(0, batch), step=step
            )
            self.fleet.step(x, gradient, step_seed(self._batch_seed, step))
            if tick is not None:
                tick()
        self._done = max(steps, self._done)

    def _output_gradient(self, outputs: Tensor, labels: Tensor, step: int) -> Tensor:
        gradient = self.losses.output_gradient(outputs, labels, step / self._steps)
        return self._balance(gradient, labels)

    def outputs(self, split: Split) -> Tensor:
        """Raw outputs of each network on a part of the data: (networks, samples, outputs)."""
        return outputs_on(self.fleet.network, self.fleet.parameters, split)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with the networks of these rows alone."""
        self._jobs = [self._jobs[row] for row in rows]
        self.fleet = self.fleet.keep(torch.tensor(list(rows), device=self._task.train.x.device))
        self._set_losses()


def train_fleet(
    task: Task,
    jobs: Sequence[Job],
    training: Training,
    batch_seed: int,
    tick: Callable[[], None] | None = None,
    plan: Plan | None = None,
) -> Fleet:
    """Train one network for each job, all in lockstep on the same batches. `tick` is called every step."""
    heat = Heat(task, jobs, training, batch_seed, plan or plan_for(task, training))
    heat.advance(training.steps, tick)
    return heat.fleet


@torch.no_grad()
def outputs_on(network: Network, parameters: Parameters, split: Split) -> Tensor:
    """Raw outputs of each network on a part of the data: (models, samples, outputs)."""
    pieces = [network.outputs(parameters, x) for x in torch.split(split.x, OUTPUT_CHUNK)]
    return torch.cat(pieces, dim=1)


def train_and_score(
    task: Task,
    jobs: Sequence[Job],
    training: Training,
    batch_seed: int,
    metric: Metric,
    splits: Sequence[Split],
    tick: Callable[[], None] | None = None,
    spare: bool = False,
) -> list[tuple[float, ...]]:
    """The metric of each job's trained network on each of `splits`; NaN where training diverged.

    spare: NaN also where training failed; see `symloss.workers.attempted`.
    """
    plan = plan_for(task, training)
    device = task.train.x.device

    def work(piece: Sequence[Job], tick: Callable[[], None]) -> list[Tensor]:
        fleet = train_fleet(task, piece, training, batch_seed, tick, plan)
        return [outputs_on(fleet.network, fleet.parameters, split) for split in splits]

    def costs_of(outputs: Sequence[Tensor]) -> list[tuple[float, ...]]:
        # Here and not in the workers: a user's metric need not be safe to run in several threads.
        columns = [metric.batched(o, split.y).tolist() for o, split in zip(outputs, splits, strict=True)]
        return list(zip(*columns, strict=True))

    if not spare:
        return [cost for own in plan.in_pieces(work, jobs, device, tick) for cost in costs_of(own)]
    costs: list[tuple[float, ...]] = []
    pieces = plan.pieces(jobs)
    with plan.precision(device):
        outcomes = attempted(work, pieces, device, tick, training.step_time_limit)
    for piece, outcome in zip(pieces, outcomes, strict=True):
        try:
            costs += (
                [(math.nan,) * len(splits)] * len(piece) if isinstance(outcome, Lost) else costs_of(outcome)
            )
        except TaskError:  # a user's metric that fails on these outputs
            costs += [(math.nan,) * len(splits)] * len(piece)
    return costs
