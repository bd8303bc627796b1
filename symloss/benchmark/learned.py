"""Losses that a suite learned as networks, against the usual loss."""

from __future__ import annotations

from collections.abc import Sequence

from symloss.evaluation.contestants import STANDARD
from symloss.evaluation.results import Comparison, TaskResult
from symloss.evaluation.statistics import paired
from symloss.learning.settings import TEXTS


def against_usual(task: TaskResult) -> tuple[Comparison, ...]:
    """Every learned loss of a task against cross-entropy or mean squared error; none where that is missing.

    The p-values are not corrected yet: that needs all comparisons of a page.
    """
    usual = next((row for row in task.rows if row.name in STANDARD.values()), None)
    if usual is None:
        return ()
    found = []
    for row in task.rows:
        if row.name in TEXTS:
            own = paired(row.test[task.metric], usual.test[task.metric])
            found.append(Comparison(row.name, usual.name, own, own.wilcoxon))
    return tuple(found)


def methods(comparisons: Sequence[Sequence[Comparison]]) -> list[str]:
    """The learned losses of several tasks, each once."""
    return list(dict.fromkeys(own.first for task in comparisons for own in task))
