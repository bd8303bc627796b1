"""Networks of an evaluation, trained in lockstep: their costs on validation and test data, and on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from torch import Tensor

from symloss.meta.choosing import plan_for
from symloss.meta.online.mixed import MixedHeat
from symloss.meta.settings import Training
from symloss.meta.training import Job
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task


@dataclass(frozen=True)
class Looks:
    """What is looked at. metrics: the first one decides. points: how many looks at validation data.

    test: whether the test data are looked at, once, when training is over.
    """

    metrics: tuple[Metric, ...]
    points: int = 1
    test: bool = False


class Trained(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trained network; None stands for a cost that is not finite.

    valid: the deciding metric on validation data. test: every metric on test data, in their order.
    curve: the deciding metric on validation data along the way, the last one being `valid`.
    """

    valid: float | None
    test: tuple[float | None, ...] = ()
    curve: tuple[float | None, ...] = ()


def train_networks(
    task: Task,
    jobs: Sequence[Job],
    training: Training,
    batch_seed: int,
    looks: Looks,
    tick: Callable[[], None] | None = None,
) -> list[Trained]:
    """Train one network for each job, all on the same batches."""
    plan = plan_for(task, training)

    def work(piece: Sequence[Job], tick: Callable[[], None]) -> tuple[list[Tensor], Tensor | None]:
        heat = MixedHeat(task, piece, training, batch_seed, plan)
        on_the_way = []
        for step in steps_looked_at(training.steps, looks.points):
            heat.advance(step, tick)
            on_the_way.append(heat.outputs(task.valid))
        last = heat.outputs(task.test) if looks.test else None
        return on_the_way, last

    found: list[Trained] = []
    for on_the_way, last in plan.in_pieces(work, jobs, task.train.x.device, tick):
        # Here and not in the workers: a user's metric need not be safe to run in several threads.
        curves = _columns([looks.metrics[0].batched(outputs, task.valid.y) for outputs in on_the_way])
        tests = (
            [()] * len(curves)
            if last is None
            else _columns([metric.batched(last, task.test.y) for metric in looks.metrics])
        )
        found += [Trained(curve[-1], test, curve) for curve, test in zip(curves, tests, strict=True)]
    return found


def _columns(costs: Sequence[Tensor]) -> list[tuple[float | None, ...]]:
    """Costs of each network, from tensors (networks,) of all."""
    rows = zip(*(own.tolist() for own in costs), strict=True)
    return [tuple(cost if math.isfinite(cost) else None for cost in row) for row in rows]


def steps_looked_at(steps: int, points: int) -> list[int]:
    """The steps after which validation data are looked at; the last is the end."""
    return sorted({max(1, round(steps * (point + 1) / points)) for point in range(points)})
