"""An evaluation from start to end: choose a learning rate for every loss, train fresh seeds, test once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from symloss.config import TaskSettings
from symloss.evaluation.contestants import contestant, split_name
from symloss.evaluation.folder import EvaluationFolder, Record
from symloss.evaluation.reports import reports, write_reports
from symloss.evaluation.results import Comparison, Evaluation, Row, TaskResult
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.evaluation.statistics import Ranking, holm, paired, ranking
from symloss.evaluation.subject import (
    Subject,
    changed_since_search,
    folder_for,
    subject_of,
    title,
    training_of,
)
from symloss.evaluation.training import steps_looked_at
from symloss.evaluation.work import Say, Work
from symloss.making import check_metric, metric_of, task_of
from symloss.meta.settings import MEASURED


def evaluate(
    settings: EvaluationSettings,
    out: Path | None = None,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
    warn: Say = lambda line: None,
) -> Evaluation:
    """Compare losses under one budget. With `out`, what was trained is kept there and not trained again.

    out:  a new or empty folder, or that of an evaluation of the same settings, which goes on if it is
          unfinished. The reports are written there at the end.
    say:  is told in a line what has been found. tick: called now and then while networks train.
    stop: asked before networks are trained together; True raises StoppedError; what was trained is kept.
    warn: is told in a line if the data are no longer those of a search that is compared.
    Raises: ConfigError and other SymlossErrors that say what cannot be used, before anything is trained.
    """
    subjects = [subject_of(settings, own, warn) for own in settings.tasks]
    with folder_for(settings, subjects, out) as folder:
        return _evaluated(settings, subjects, folder, say, tick, stop)


def _evaluated(
    settings: EvaluationSettings,
    subjects: Sequence[Subject],
    folder: EvaluationFolder,
    say: Say,
    tick: Callable[[], None],
    stop: Callable[[], bool],
) -> Evaluation:
    subjects = [
        replace(
            subject,
            training=msgspec.structs.replace(
                subject.training, **{name: getattr(own, name) for name in MEASURED}
            ),
        )
        for subject, own in zip(subjects, folder.record.tasks, strict=True)
    ]
    works = [
        Work(number, subject, settings.budget, folder, say, tick, stop)
        for number, subject in enumerate(subjects)
    ]
    found = _with_statistics(settings, [(work.subject, work.rows()) for work in works])
    if folder.path is not None:
        write_reports(folder.path, reports(found))
    return found


@dataclass(frozen=True)
class Scored:
    """One number for a loss: its mean validation cost at its best learning rate; None if all diverged."""

    metric: str
    score: float | None
    learning_rate: float
    per_seed: tuple[float | None, ...]
    tried: int


def score(
    source: str,
    task: TaskSettings,
    budget: Budget,
    tick: Callable[[], None] = lambda: None,
    warn: Say = lambda line: None,
) -> Scored:
    """Choose the learning rate of a loss and say how good it is. The test data are not looked at.

    warn: is told in a line if the data are no longer those of a search that is judged.
    """
    settings = EvaluationSettings(losses=(source,), tasks=(task,), budget=budget)
    made = task_of(task)
    for line in changed_since_search(source, task, made):
        warn(line)
    metric = metric_of(task, made)
    check_metric(metric, made, budget.seed)
    name, source = split_name(source)
    only = contestant(source, made.kind, budget.own_parameters, judged=True, name=name)
    subject = Subject(made, (metric,), (only,), training_of(budget))
    record = Record(settings, {}, ())
    work = Work(0, subject, budget, EvaluationFolder(None, record), lambda line: None, tick)
    choice = work.choice(only)
    cost = choice.cost if math.isfinite(choice.cost) else None
    return Scored(metric.name, cost, choice.setting.learning_rate, choice.per_seed, choice.tried)


def _with_statistics(
    settings: EvaluationSettings, found: Sequence[tuple[Subject, Sequence[Row]]]
) -> Evaluation:
    """The rows with paired tests, corrected for all comparisons on all tasks, and ranks over tasks."""
    compared = [
        (number, first, second, paired(*(row.test[subject.metrics[0].name] for row in (first, second))))
        for number, (subject, rows) in enumerate(found)
        for first in rows
        if first.judged
        for second in rows
        if not second.judged
    ]
    corrected = holm([own.wilcoxon for *_, own in compared])
    comparisons = [
        (number, Comparison(first.name, second.name, own, p))
        for (number, first, second, own), p in zip(compared, corrected, strict=True)
    ]
    tasks = tuple(
        TaskResult(
            title(settings.tasks[number], subject.task),
            subject.task.model_name,
            tuple(metric.name for metric in subject.metrics),
            subject.task.notes,
            tuple(steps_looked_at(subject.training.steps, settings.budget.curve_points)),
            tuple(rows),
            tuple(own for place, own in comparisons if place == number),
        )
        for number, (subject, rows) in enumerate(found)
    )
    budget = settings.budget
    return Evaluation(budget.seeds, budget.choosing_seeds, budget.training.steps, tasks, _ranking(tasks))


def _ranking(tasks: Sequence[TaskResult]) -> Ranking | None:
    names = [row.name for row in tasks[0].rows]
    if len(tasks) < 2 or any([row.name for row in task.rows] != names for task in tasks):
        return None
    return ranking(names, [[row.mean(task.metric) for row in task.rows] for task in tasks])
