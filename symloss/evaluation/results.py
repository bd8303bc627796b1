"""The outcome of an evaluation as values, and as plain data for other programs."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from symloss.evaluation.statistics import LEVEL, Paired, Ranking


@dataclass(frozen=True)
class Row:
    """A loss on a task.

    judged:   whether the evaluation is about it. formula: None for code. version: its chosen own parameters.
    learning_rate, weight_decay: chosen on validation data among `tried` settings; valid: the cost there.
    test:     costs on test data by metric, one for each seed; NaN where a network diverged.
    curve:    mean cost on validation data at `TaskResult.steps`; NaN likewise.
    step_seconds: of a training step of a single network; measured, so it is no part of what is compared.
    """

    name: str
    judged: bool
    formula: str | None
    version: str
    learning_rate: float
    weight_decay: float
    tried: int
    valid: float
    test: dict[str, tuple[float, ...]]
    curve: tuple[float, ...]
    step_seconds: float = field(default=math.nan, compare=False)

    def mean(self, metric: str) -> float:
        """Mean test cost; NaN if a network diverged."""
        return sum(self.test[metric]) / len(self.test[metric])

    def deviation(self, metric: str) -> float:
        """Standard deviation over seeds; NaN for a single one, or if a network diverged."""
        costs = self.test[metric]
        finite = len(costs) > 1 and all(map(math.isfinite, costs))
        return statistics.stdev(costs) if finite else math.nan

    @property
    def diverged(self) -> int:
        """How many networks ended in numbers that are not finite."""
        return sum(not math.isfinite(cost) for cost in next(iter(self.test.values())))


@dataclass(frozen=True)
class Comparison:
    """A judged loss against another on a task, by the deciding metric.

    corrected: `paired.wilcoxon` after Holm's correction for all comparisons of the evaluation.
    """

    first: str
    second: str
    paired: Paired
    corrected: float

    @property
    def verdict(self) -> str:
        """Whether the first one wins, loses or ties, at 5 % after correction."""
        if self.corrected >= LEVEL or self.paired.effect == 0:
            return "tie"
        return "win" if self.paired.effect < 0 else "loss"


@dataclass(frozen=True)
class TaskResult:
    """All losses on one task. metrics: the first one decides. steps: where the curves have their points."""

    title: str
    model: str
    metrics: tuple[str, ...]
    notes: tuple[str, ...]
    steps: tuple[int, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.metrics[0]

    def ranked(self) -> list[Row]:
        """The losses, best mean test cost first; those that diverged last."""
        return sorted(self.rows, key=lambda row: (math.isnan(row.mean(self.metric)), row.mean(self.metric)))


@dataclass(frozen=True)
class Evaluation:
    """Everything an evaluation found. ranking: None unless there are several tasks."""

    seeds: int
    choosing_seeds: int
    steps: int
    tasks: tuple[TaskResult, ...]
    ranking: Ranking | None

    def as_json(self) -> dict[str, Any]:
        """Plain data; null stands for what is not finite."""
        data = asdict(self)
        for own, task in zip(data["tasks"], self.tasks, strict=True):
            for found, comparison in zip(own["comparisons"], task.comparisons, strict=True):
                found["verdict"] = comparison.verdict
        plain: dict[str, Any] = _plain(data)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
