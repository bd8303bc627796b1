"""The tables and sentences at the top of a suite's page: discovered losses against the usual and the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from symloss.benchmark.job import DISCOVERED, CaseResult, by_hand, judged
from symloss.evaluation.contestants import STANDARD
from symloss.evaluation.results import Comparison, Row, TaskResult
from symloss.evaluation.tables import p_value, tested


@dataclass(frozen=True)
class Line:
    """A discovered loss on a task, against the usual loss and against the best of the others there."""

    case: str
    task: TaskResult
    ours: Row
    usual: Comparison | None
    best: Comparison


def lines_of(results: Sequence[CaseResult], transferred: bool) -> list[Line]:
    """One line for each evaluation: those on the tasks that were searched on, or the transfers."""
    found = []
    for result in results:
        for evaluation in result.transfers if transferred else (result.evaluation,):
            (task,) = evaluation.tasks
            against = {own.second: own for own in task.comparisons}
            usual = [own for name, own in against.items() if name in STANDARD.values()]
            best = against[by_hand(task)[0].name]
            found.append(Line(result.case.name, task, judged(task), usual[0] if usual else None, best))
    return found


def _row(task: TaskResult, name: str) -> Row:
    return next(row for row in task.rows if row.name == name)


def outcome(own: Comparison) -> str:
    """Whether the discovered loss wins, and the corrected p."""
    return f"{own.verdict}, p {p_value(own.corrected)}"


def summary(results: Sequence[CaseResult]) -> list[str]:
    """How often the discovered losses won, in sentences."""
    own, carried = lines_of(results, transferred=False), lines_of(results, transferred=True)
    usual = [line for line in own if line.usual is not None]
    found = [
        f"- Against cross-entropy or mean squared error at its own learning rate: {_count(usual, _usual)}.",
        f"- Against the best of the published losses on the same test data: {_count(own, _best)}.",
    ]
    if carried:
        usual = [line for line in carried if line.usual is not None]
        found.append(
            f"- Carried to a model that they were not searched on, against the same: {_count(usual, _usual)}."
        )
    return found


def _usual(line: Line) -> str:
    assert line.usual is not None
    return line.usual.verdict


def _best(line: Line) -> str:
    return line.best.verdict


def _count(lines: Sequence[Line], verdict: Callable[[Line], str]) -> str:
    verdicts = [verdict(line) for line in lines]
    words = ((name, verdicts.count(name)) for name in ("win", "tie", "loss"))
    parts = ", ".join(f"{number} {name if number == 1 else PLURAL[name]}" for name, number in words)
    return f"{parts} of {len(lines)}"


PLURAL = {"win": "wins", "tie": "ties", "loss": "losses"}

MAIN = ["task", "model", "metric", DISCOVERED, "usual loss", "", "best published loss", ""]
CARRIED = MAIN[:6]


def main_cells(lines: Sequence[Line], columns: int) -> list[list[str]]:
    """Rows of the two summarising tables."""
    return [_cells(line)[:columns] for line in lines]


def _cells(line: Line) -> list[str]:
    task, metric = line.task, line.task.metric
    usual = ["-", "-"]
    if line.usual is not None:
        usual = [_shown(_row(task, line.usual.second), metric), outcome(line.usual)]
    best = [_shown(_row(task, line.best.second), metric), outcome(line.best)]
    return [task.title, task.model, metric, tested(line.ours, metric), *usual, *best]


def _shown(row: Row, metric: str) -> str:
    version = f" ({row.version})" if row.version else ""
    return f"{row.name}{version} {tested(row, metric)}"
