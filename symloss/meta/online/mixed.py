"""Networks of one training under losses of any sort: those that learn meanwhile, and all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from symloss.losses.function import OnlineLoss
from symloss.meta.online.heat import OnlineHeat, family
from symloss.meta.plan import Plan
from symloss.meta.settings import Training
from symloss.meta.training import Heat, Job
from symloss.tasks.task import Split, Task


class MixedHeat:
    """Networks in lockstep as in `Heat`, on the same batches; each sort of loss has a heat of its own."""

    def __init__(
        self, task: Task, jobs: Sequence[Job], training: Training, batch_seed: int, plan: Plan
    ) -> None:
        self._count = len(jobs)
        sorts: dict[object, list[int]] = {}
        for row, job in enumerate(jobs):
            sorts.setdefault(family(job.loss) if isinstance(job.loss, OnlineLoss) else None, []).append(row)
        self._heats: list[tuple[list[int], Heat]] = [
            (rows, (OnlineHeat if sort else Heat)(task, [jobs[r] for r in rows], training, batch_seed, plan))
            for sort, rows in sorts.items()
        ]

    def advance(self, steps: int, tick: Callable[[], None] | None = None) -> None:
        """Train until `steps` steps are done in all."""
        for _, heat in self._heats:
            heat.advance(steps, tick)

    def outputs(self, split: Split) -> Tensor:
        """Raw outputs of each network on a part of the data: (networks, samples, outputs)."""
        if len(self._heats) == 1:
            return self._heats[0][1].outputs(split)
        found = [(rows, heat.outputs(split)) for rows, heat in self._heats]
        joined: Tensor = found[0][1].new_empty(self._count, *found[0][1].shape[1:])
        for rows, own in found:
            joined[rows] = own
        return joined
