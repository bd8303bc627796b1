"""A candidate trained again with other constants: what rounding them costs in the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from symloss.archive import RunFolder
from symloss.errors import RunError
from symloss.expr import Expr
from symloss.making import metric_of, task_of
from symloss.meta.calibration import calibrate
from symloss.meta.confirm import run_trials
from symloss.places import relocated
from symloss.records import Candidate
from symloss.run_record import begun_in, changed_data, config_of

SEEDS = 5
"""Networks that are trained under each of the two, the same fresh ones."""


@dataclass(frozen=True)
class Rescored:
    """Mean validation costs over the same seeds and batches, before the change and after."""

    metric: str
    before: float
    after: float
    learning_rate: float
    seeds: int

    @property
    def sentence(self) -> str:
        return (
            f"trained again from {self.seeds} seeds at learning rate {self.learning_rate:g}, validation "
            f"{self.metric} is {self.after:.4g} instead of {self.before:.4g}"
        )


def rescored(
    path: Path, candidate: Candidate, changed: Expr, warn: Callable[[str], None] = lambda line: None
) -> Rescored:
    """Train networks under a candidate of the run in `path`, and under `changed`, as the search trained them.

    warn: is told if the data are no longer those of the search.
    Raises RunError if the run's record does not say how to make its task.
    """
    folder = RunFolder.open(path)
    if folder.record().get("task", {}).get("given"):
        raise RunError(
            f"the search in '{path}' was given its data or metric in Python, so its losses cannot be trained "
            "again here"
        )
    config = relocated(config_of(folder), begun_in(folder))
    task = task_of(config)
    for line in changed_data(folder, task):
        warn(line)
    metric = metric_of(config, task)
    training = config.training
    rate = training.learning_rate
    if candidate.confirmation is not None:  # as in the second look, whose learning rate goes with its steps
        rate = candidate.confirmation.learning_rate
        training = msgspec.structs.replace(training, steps=candidate.confirmation.steps)
    if rate is None:
        rate = calibrate(task, metric, training, config.seed).learning_rate
    seeds = [config.seed + i for i in range(max(SEEDS, training.seeds))]
    losses = [candidate.loss.expression, changed]
    trials = run_trials(task, metric, losses, [[rate]] * 2, seeds, training)
    before, after = (
        sum(trial.valid for trial in trials if trial.loss == position) / len(seeds) for position in range(2)
    )
    return Rescored(metric.name, before, after, rate, len(seeds))
