"""Training that stops early where there is no hope.

A candidate goes on unless it is worse than each of the best candidates of earlier generations was at the
same point: after its first network, or at a few points of training, the rungs. The bar is theirs and not that
of its neighbours: losses that win in the end are often slow at first, and halving a generation by early
scores throws them away (`docs/racing.md` has the numbers).
"""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from torch import Tensor

from symloss.meta.choosing import plan_for
from symloss.meta.pieces import Memory, each_result
from symloss.meta.plan import Plan
from symloss.meta.settings import Racing, Training
from symloss.meta.training import Heat, Job, outputs_on
from symloss.records import Score, Status
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Split, Task
from symloss.workers import Lost

_ONE_METRIC_AT_A_TIME = threading.Lock()
"""A user's metric need not be safe to run in several threads."""


@dataclass(frozen=True)
class Race:
    """What happened to one contestant, whose networks differ in their seed.

    costs: of each network after all of training, all finite; empty if a network diverged, or if it was
           stopped at a rung; of the first network alone if it was stopped after that.
    curve: mean cost at each rung that it reached, as long as it was finite; of the first network where
           that runs before the others.
    diverged: some network's outputs were not finite in the end, or at the rung where it was stopped.
    stopped: it was, because it fell behind.
    """

    costs: tuple[float, ...]
    curve: tuple[float, ...]
    diverged: bool = False
    stopped: bool = False

    @property
    def mean(self) -> float:
        """Mean cost; infinite if there is none."""
        return sum(self.costs) / len(self.costs) if self.costs else math.inf

    def and_then(self, others: Race) -> Race:
        """The same contestant when its other networks have been trained after the first."""
        costs = () if others.diverged else self.costs + others.costs
        return Race(costs, self.curve, others.diverged)

    @property
    def rank(self) -> tuple[bool, float]:
        """Of two, the better has the lower: one that was stopped is worse than one that was not."""
        return self.stopped or self.diverged, self.mean


@dataclass(frozen=True)
class Bars:
    """steps: of each rung, ascending. limits: cost above which a contestant is stopped there.

    first: cost of its first network above which the others are not trained; None if all are trained together.
    rise: what the mean cost of all networks is expected to be above that of the first.
    untuned: cost above which a contestant is not tuned.
    """

    steps: tuple[int, ...] = ()
    limits: tuple[float, ...] = ()
    first: float | None = None
    rise: float = 0.0
    untuned: float = math.inf


def rungs_of(racing: Racing, training: Training) -> tuple[int, ...]:
    """The steps after which contestants are looked at."""
    steps = {max(1, round(fraction * training.steps)) for fraction in racing.rungs}
    return tuple(sorted(step for step in steps if step < training.steps))


def bars(scores: Iterable[Score], racing: Racing, training: Training) -> Bars:
    """The bars that the first of `scores`, best first, set: infinite until there are enough of them."""
    steps = rungs_of(racing, training)
    seeds = racing.seeds and training.seeds > 1
    if not steps and not seeds and not racing.tuning:
        return Bars()
    whole = (s for s in scores if s.status is Status.OK and len(s.curve) == len(steps))
    best = list(islice(whole, racing.reference))
    if len(best) < racing.reference:
        return Bars(steps, (math.inf,) * len(steps), math.inf if seeds else None)
    least = best[0].fitness
    assert least is not None

    def limit(costs: Iterable[float]) -> float:
        # The margin is a part of what is still to be gained there, so it has the metric's own scale.
        worst = max(costs)
        return worst + racing.margin * max(worst - least, 0.0)

    found = Bars(steps, tuple(limit(s.curve[rung] for s in best) for rung in range(len(steps))))
    if racing.tuning and all(s.untuned is not None for s in best):
        found = replace(found, untuned=limit(s.untuned for s in best if s.untuned is not None))
    if seeds:
        rise = statistics.median(statistics.fmean(s.per_seed) - s.per_seed[0] for s in best)
        found = replace(found, first=max(s.per_seed[0] for s in best), rise=rise)
    return found


def race(
    task: Task,
    contestants: Sequence[Sequence[Job]],
    training: Training,
    batch_seed: int,
    metric: Metric,
    limits: Bars,
    tick: Callable[[], None] | None = None,
    memory: Memory | None = None,
    stage: str = "race",
) -> list[Race | Lost]:
    """Train each contestant's networks, all on the same batches, and score them on validation data.

    memory: keeps what has been trained, under a name that begins with `stage`.
    """
    plan = plan_for(task, training)

    each = max((len(jobs) for jobs in contestants), default=1)

    def work(piece: Sequence[Sequence[Job]], tick: Callable[[], None]) -> list[Race]:
        return _Field(task, piece, training, batch_seed, metric, plan).run(limits, tick)

    return each_result(
        plan,
        work,
        contestants,
        Race,
        task.train.x.device,
        stage=stage,
        tick=tick,
        each=each,
        time_limit=training.step_time_limit,
        memory=memory,
    )


def race_others(
    train: Callable[[Sequence[Sequence[Job]]], Sequence[Race | Lost]],
    contestants: Sequence[Sequence[Job]],
    first: Sequence[Race],
    limit: float,
) -> list[Race | Lost]:
    """Go on with contestants whose first network has been trained: the others, if it cost at most `limit`.

    train: what happens to networks that nobody stops, as by `race`.
    """
    hopeful = [place for place, own in enumerate(first) if not own.stopped and own.mean <= limit]
    found: list[Race | Lost] = [replace(own, stopped=True) for own in first]
    others = train([contestants[place][1:] for place in hopeful])
    for place, own in zip(hopeful, others, strict=True):
        found[place] = own if isinstance(own, Lost) else first[place].and_then(own)
    return found


class _Field:
    """Some contestants that are trained on one core, in heats of as many networks as the plan allows."""

    def __init__(
        self,
        task: Task,
        contestants: Sequence[Sequence[Job]],
        training: Training,
        batch_seed: int,
        metric: Metric,
        plan: Plan,
    ) -> None:
        self._valid: Split = task.valid
        self._metric, self._steps = metric, training.steps
        jobs = [(owner, job) for owner, own in enumerate(contestants) for job in own]
        self._count = len(contestants)
        self._heats = [
            Heat(task, [job for _, job in part], training, batch_seed, plan)
            for part in _chunks(jobs, plan.at_once)
        ]
        self._owners = [[owner for owner, _ in part] for part in _chunks(jobs, plan.at_once)]

    def run(self, limits: Bars, tick: Callable[[], None]) -> list[Race]:
        curves: list[list[float]] = [[] for _ in range(self._count)]
        diverged: set[int] = set()
        going = set(range(self._count))
        for step, limit in zip(limits.steps, limits.limits, strict=True):
            costs = self._costs_after(step, tick)
            diverged |= {owner for owner in going if not _finite(costs[owner])}
            going -= diverged  # what has diverged does not come back
            for owner in going:
                curves[owner].append(sum(costs[owner]) / len(costs[owner]))
            going = {owner for owner in going if curves[owner][-1] <= limit}
            self._keep(going)
        final = self._costs_after(self._steps, tick)
        diverged |= {owner for owner in going if not _finite(final[owner])}
        return [
            Race(
                () if owner in diverged else tuple(final[owner]),
                tuple(curves[owner]),
                owner in diverged,
                owner not in going and owner not in diverged,
            )
            for owner in range(self._count)
        ]

    def _costs_after(self, step: int, tick: Callable[[], None]) -> list[list[float]]:
        """Costs of the networks of each contestant that is still there."""
        costs: list[list[float]] = [[] for _ in range(self._count)]
        for heat, owners in zip(self._heats, self._owners, strict=True):
            heat.advance(step, tick)
            outputs = outputs_on(heat.fleet.network, heat.fleet.parameters, self._valid)
            for owner, cost in zip(owners, self._measured(outputs), strict=True):
                costs[owner].append(cost)
        return costs

    def _measured(self, outputs: Tensor) -> list[float]:
        with _ONE_METRIC_AT_A_TIME:
            measured: list[float] = self._metric.batched(outputs, self._valid.y).tolist()
        return measured

    def _keep(self, owners: set[int]) -> None:
        heats, names = [], []
        for heat, own in zip(self._heats, self._owners, strict=True):
            rows = [row for row, owner in enumerate(own) if owner in owners]
            if len(rows) < len(own) and rows:
                heat.keep(rows)
            if rows:
                heats.append(heat)
                names.append([own[row] for row in rows])
        self._heats, self._owners = heats, names


def _finite(costs: Sequence[float]) -> bool:
    return all(math.isfinite(cost) for cost in costs)


def _chunks(jobs: list[tuple[int, Job]], size: int) -> list[list[tuple[int, Job]]]:
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]
