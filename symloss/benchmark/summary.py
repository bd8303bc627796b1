"""The tables and sentences at the top of a suite's page: discovered losses against the usual and the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symloss.benchmark.job import DISCOVERED, CaseResult, by_hand, judged
from symloss.benchmark.learned import methods
from symloss.evaluation.contestants import STANDARD
from symloss.evaluation.results import Comparison, Row, TaskResult
from symloss.evaluation.tables import p_value, tested
from symloss.tasks.names import cost_name


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
    """Whether the first loss wins, and the corrected p."""
    return f"{own.verdict}, p {p_value(own.corrected)}"


def others(lines: Sequence[Line]) -> bool:
    """Whether the discovered losses are compared with more published losses than the usual one."""
    return any(line.usual is None or line.best.second != line.usual.second for line in lines)


def summary(results: Sequence[CaseResult]) -> list[str]:
    """How often the discovered and the learned losses won, in sentences."""
    own, carried = lines_of(results, transferred=False), lines_of(results, transferred=True)
    found = [f"- Against cross-entropy or mean squared error at its own learning rate: {_usual(own)}."]
    if others(own):
        best = _count([line.best for line in own])
        found.append(f"- Against the best of the published losses on the same test data: {best}.")
    if carried:
        found.append(
            f"- Carried to a model that they were not searched on, against the same: {_usual(carried)}."
        )
    for method in methods([result.learned for result in results]):
        mine = [row for result in results for row in result.learned if row.first == method]
        found.append(f"- A loss network instead of a formula, {method}, against the same: {_count(mine)}.")
    return found


def _usual(lines: Sequence[Line]) -> str:
    return _count([line.usual for line in lines if line.usual is not None])


def _count(comparisons: Sequence[Comparison]) -> str:
    verdicts = [own.verdict for own in comparisons]
    words = ((name, verdicts.count(name)) for name in ("win", "tie", "loss"))
    parts = ", ".join(f"{number} {name if number == 1 else PLURAL[name]}" for name, number in words)
    return f"{parts} of {len(verdicts)}"


PLURAL = {"win": "wins", "tie": "ties", "loss": "losses"}

MAIN = ["task", "model", "metric", DISCOVERED, "usual loss", "", "best published loss", ""]
CARRIED = MAIN[:6]


def main_header(lines: Sequence[Line]) -> list[str]:
    """The columns of the first table: without the best published loss where that is always the usual one."""
    return MAIN if others(lines) else CARRIED


def main_cells(lines: Sequence[Line], header: Sequence[str]) -> list[list[str]]:
    """Rows of the two summarising tables."""
    titles = _apart([(line.task, line.case) for line in lines])
    return [[title, *_cells(line)][: len(header)] for title, line in zip(titles, lines, strict=True)]


def _cells(line: Line) -> list[str]:
    task, metric = line.task, line.task.metric
    usual = ["-", "-"]
    if line.usual is not None:
        usual = [_shown(_row(task, line.usual.second), metric), outcome(line.usual)]
    best = [_shown(_row(task, line.best.second), metric), outcome(line.best)]
    return [task.model, cost_name(metric), tested(line.ours, metric), *usual, *best]


def _shown(row: Row, metric: str) -> str:
    version = f" ({row.version})" if row.version else ""
    return f"{row.name}{version} {tested(row, metric)}"


def named(results: Sequence[CaseResult]) -> list[str]:
    """What each case is about, by which it can be told from every other."""
    return _apart([(result.evaluation.tasks[0], result.case.name) for result in results])


def _apart(cases: Sequence[tuple[TaskResult, str]]) -> list[str]:
    """Titles of tasks, with the name of the case where another one has the same title."""
    titles = [task.title for task, _ in cases]
    return [f"{task.title} ({case})" if titles.count(task.title) > 1 else task.title for task, case in cases]


def learned_header(results: Sequence[CaseResult]) -> list[str]:
    """Names of the columns of `learned_cells`."""
    columns = [cell for method in methods([own.learned for own in results]) for cell in (method, "")]
    return ["task", "model", "metric", "steps", "usual loss", *columns]


def learned_cells(results: Sequence[CaseResult]) -> list[list[str]]:
    """A row for each case that has losses which were learned as networks: each against the usual loss."""
    found = []
    for result, title in zip(results, named(results), strict=True):
        by_method = {own.first: own for own in result.learned}
        if not by_method:
            continue
        (task,) = result.evaluation.tasks
        usual = _row(task, next(iter(by_method.values())).second)
        cells = [
            title,
            task.model,
            cost_name(task.metric),
            str(result.evaluation.steps),
            _shown(usual, task.metric),
        ]
        for method in methods([own.learned for own in results]):
            own = by_method.get(method)
            shown = ["-", "-"] if own is None else [tested(_row(task, method), task.metric), outcome(own)]
            cells += shown
        found.append(cells)
    return found
