"""Partial training of base models under candidate losses, and their scores on validation data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from symloss.expr import Expr
from symloss.losses.entry import targets_of
from symloss.losses.population import Population
from symloss.meta.lockstep import BatchOrder, Fleet, Optimiser, seeded_model
from symloss.meta.settings import Training
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Split, Task
from symloss.workers import in_parallel

T = TypeVar("T")

MODELS_AT_ONCE = 48
MODELS_AT_ONCE_GPU = 256

OUTPUT_CHUNK = 1024
"""Samples whose outputs are computed at once, so that memory does not grow with the data set."""


@dataclass(frozen=True)
class Job:
    """One network to train: its loss, the seed of its initial weights, and its learning rate."""

    expression: Expr
    seed: int
    learning_rate: float


def train_fleet(
    task: Task,
    jobs: Sequence[Job],
    training: Training,
    batch_seed: int,
    tick: Callable[[], None] | None = None,
) -> Fleet:
    """Train one network for each job, all in lockstep on the same batches. `tick` is called every step.

    The task's data decides the device and the precision.
    """
    device = task.train.x.device
    fleet = Fleet.seeded(task.make_model, [job.seed for job in jobs], device)
    population = Population([job.expression for job in jobs], task.kind, device)
    dtype = task.train.x.dtype
    constants = population.constants(dtype)
    targets = targets_of(task.train.y, task.kind, task.num_outputs, dtype)
    order = BatchOrder(len(task.train), training.batch_size, training.steps, batch_seed, device)
    optimiser = Optimiser(
        torch.tensor([job.learning_rate for job in jobs], dtype=dtype, device=device),
        training.momentum,
        training.nesterov,
        training.weight_decay,
    )
    for step in range(len(order)):
        batch = order[step]
        wanted = targets[batch]
        fleet.step(
            task.train.x[batch],
            lambda outputs, wanted=wanted: population.output_gradient(outputs, wanted, constants),  # type: ignore[misc]
            optimiser,
        )
        if tick is not None:
            tick()
    return fleet


@torch.no_grad()
def outputs_on(fleet: Fleet, split: Split) -> Tensor:
    """Raw outputs of each network on a part of the data: (models, samples, outputs)."""
    pieces = [fleet.outputs(x) for x in torch.split(split.x, OUTPUT_CHUNK)]
    return torch.cat(pieces, dim=1)


def train_and_score(
    task: Task,
    jobs: Sequence[Job],
    training: Training,
    batch_seed: int,
    metric: Metric,
    splits: Sequence[Split],
    tick: Callable[[], None] | None = None,
) -> list[tuple[float, ...]]:
    """The metric of each job's trained network on each of `splits`; NaN where training diverged."""
    device = task.train.x.device

    def work(chunk: Sequence[Job], tick: Callable[[], None]) -> list[Tensor]:
        fleet = train_fleet(task, chunk, training, batch_seed, tick)
        return [outputs_on(fleet, split) for split in splits]

    costs: list[tuple[float, ...]] = []
    for outputs in in_parallel(work, chunks(jobs, models_at_once(task.make_model, device)), device, tick):
        # Here and not in the workers: a user's metric need not be safe to run in several threads.
        columns = [metric.batched(o, split.y).tolist() for o, split in zip(outputs, splits, strict=True)]
        costs += zip(*columns, strict=True)
    return costs


def models_at_once(make_model: Callable[[], nn.Module], device: torch.device) -> int:
    """How many networks to train in one batched step. Depends on the model and the kind of device alone.

    Stacked convolutions become grouped ones, which on a CPU are slower than one network after another.
    """
    if device.type != "cpu":
        return MODELS_AT_ONCE_GPU
    modules = seeded_model(make_model, 0).modules()
    convolutional = any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in modules)
    return 1 if convolutional else MODELS_AT_ONCE


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` in consecutive pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]
