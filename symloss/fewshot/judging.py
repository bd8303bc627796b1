"""Runs judged on the same test tasks: means with 95 % intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symloss.errors import RunError
from symloss.fewshot.episodes.episode import FewShotTask
from symloss.fewshot.training import load
from symloss.records import Kind

QUANTILE = 1.96


@dataclass(frozen=True)
class Mean:
    """A mean with half the width of its 95 % interval, 1.96 sd / sqrt(n); infinite for one value."""

    value: float
    half: float

    def __str__(self) -> str:
        return f"{100 * self.value:.2f} ± {100 * self.half:.2f}"


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of values over tasks."""
    count = len(values)
    half = QUANTILE * float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return Mean(float(np.mean(values)), half)


@dataclass(frozen=True)
class Judged:
    """A run on test tasks. difference: its error minus the first run's, task by task; None for the first."""

    run: str
    method: str
    kind: Kind
    meta_steps: int
    error: Mean
    difference: Mean | None
    errors: tuple[float, ...]

    def line(self) -> str:
        """A sentence for people."""
        if self.kind is Kind.MULTICLASS:
            accuracy = Mean(1 - self.error.value, self.error.half)
            text = f"{self.run} ({self.method}): accuracy {accuracy} % over {len(self.errors)} tasks"
        else:
            text = (
                f"{self.run} ({self.method}): squared error {self.error.value:.4f} ± {self.error.half:.4f} "
                f"over {len(self.errors)} tasks"
            )
        if self.difference is None:
            return text
        if self.kind is Kind.MULTICLASS:
            gain = Mean(-self.difference.value, self.difference.half)
            return f"{text}; {gain} points above the first"
        return f"{text}; {-self.difference.value:.4f} ± {self.difference.half:.4f} below the first"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "kind": self.kind.value, "errors": list(self.errors)}


def evaluate(runs: Sequence[Path], tasks: int = 600, task: FewShotTask | None = None) -> list[Judged]:
    """Judge runs on the first `tasks` test tasks, the same for all.

    task: of runs that were made in Python with a task of their own.
    Raises: RunError if runs learned from different data, since then there is nothing to compare.
    """
    if tasks < 2:
        raise RunError(f"{tasks} task{'s have' if tasks != 1 else ' has'} no interval; use two or more")
    found: list[Judged] = []
    first: Any = None
    for run in runs:
        trained = load(run, task)
        data = trained.record.data
        if first is not None and data != first:
            raise RunError(
                f"'{run}' learned from other episodes than '{runs[0]}' (data set, ways, shots, queries or "
                "seed differ), so their tasks are not the same; evaluate them apart"
            )
        first = data
        errors = tuple(trained.errors(tasks))
        apart = [e - f for e, f in zip(errors, found[0].errors, strict=True)] if found else None
        found.append(
            Judged(
                str(run),
                trained.record.settings.method,
                trained.task.test.kind,
                trained.step,
                mean_of(errors),
                mean_of(apart) if apart is not None else None,
                errors,
            )
        )
    return found
