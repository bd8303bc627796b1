"""The learning rate at which candidates are compared, found before the search by training known losses.

Ranking losses at a rate that suits none of them says little: too high a rate ranks them by how they survive
it. So a few handcrafted losses, scaled like every candidate, are trained at a grid of rates, and the rate of
the best of them on validation data is taken. Their scores are also what the search has to beat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symloss.expr import Expr
from symloss.losses.catalogue import CATALOGUE
from symloss.meta.confirm import best_rate, run_trials
from symloss.meta.sample import normalised, untrained_sample
from symloss.meta.settings import Training
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task
from symloss.workers import one_thread

RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
SAMPLE = 100

KNOWN = (
    *("cross-entropy", "binary-cross-entropy", "brier", "mae-probability", "generalised-cross-entropy"),
    *("focal", "mse", "mae", "huber", "cauchy"),
)
"""The losses of the catalogue that are trained: a few that differ."""


@dataclass(frozen=True)
class Calibration:
    """learning_rate: the chosen one. baselines: name and validation cost of each known loss, best first."""

    learning_rate: float
    baselines: tuple[tuple[str, float], ...]


def calibrate(
    task: Task, metric: Metric, training: Training, seed: int, tick: Callable[[], None] | None = None
) -> Calibration:
    """Train the catalogue's losses for this kind of task at `RATES` as candidates will be trained."""
    with one_thread():
        known = known_losses(task, training, seed)
        losses = list(known.values())
        seeds = [seed + i for i in range(training.seeds)]
        trials = run_trials(task, metric, losses, [RATES] * len(losses), seeds, training, tick)
    best = [best_rate(trials, position) for position in range(len(losses))]
    rate, _ = min(best, key=lambda pair: (pair[1], pair[0]))
    costs = sorted(((name, cost) for name, (_, cost) in zip(known, best, strict=True)), key=lambda c: c[1])
    return Calibration(rate, tuple(costs))


def known_losses(task: Task, training: Training, seed: int) -> dict[str, Expr]:
    """The catalogue's losses for this kind of task by name, scaled as candidates are."""
    rows = [CATALOGUE[name] for name in KNOWN if task.kind in CATALOGUE[name].kinds]
    losses = [row.expression for row in rows]
    if training.normalise:
        losses = normalised(losses, untrained_sample(task, SAMPLE, seed))
    return dict(zip((row.name for row in rows), losses, strict=True))
