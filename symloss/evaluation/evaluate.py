"""An evaluation from start to end: choose a learning rate for every loss, train fresh seeds, test once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import msgspec

from symloss import __version__
from symloss.config import TaskSettings
from symloss.errors import ConfigError
from symloss.evaluation.choosing import Choice, Setting, choose
from symloss.evaluation.contestants import Contestant, Version, contestant, contestants_for
from symloss.evaluation.folder import EvaluationFolder, Grouping, Record, same_settings
from symloss.evaluation.results import Comparison, Evaluation, Row, TaskResult
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.evaluation.statistics import Ranking, holm, paired, ranking
from symloss.evaluation.training import Looks, Trained, steps_looked_at, train_networks
from symloss.meta.plan import plan_for
from symloss.meta.settings import Training
from symloss.meta.training import Job
from symloss.run import check_metric, metric_of, task_of
from symloss.tasks import CORRUPTIONS, Metric, Task, find_metric

FRESH_SEEDS = 100_000
"""Seeds of the comparison start here, so that none is one of those a learning rate was chosen with."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """A task, what is compared on it, and how its networks are trained."""

    task: Task
    metrics: tuple[Metric, ...]
    contestants: tuple[Contestant, ...]
    training: Training


def evaluate(
    settings: EvaluationSettings,
    out: Path | None = None,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Compare losses under one budget. With `out`, what was trained is kept there and not trained again.

    out:  a new or empty folder, or that of an unfinished evaluation of the same settings, which goes on.
    say:  is told in a line what has been found. tick: called now and then while networks train.
    Raises: ConfigError and other SymlossErrors that say what cannot be used, before anything is trained.
    """
    subjects = [_subject(settings, own) for own in settings.tasks]
    folder = _folder(settings, subjects, out)
    subjects = [
        replace(
            subject,
            training=msgspec.structs.replace(
                subject.training, network=own.network, models_at_once=own.models_at_once
            ),
        )
        for subject, own in zip(subjects, folder.record.groupings, strict=True)
    ]
    works = [
        _Work(number, subject, settings.budget, folder, say, tick) for number, subject in enumerate(subjects)
    ]
    return _with_statistics(settings, [(work.subject, work.rows()) for work in works])


@dataclass(frozen=True)
class Scored:
    """One number for a loss: its mean validation cost at its best learning rate; None if all diverged."""

    metric: str
    score: float | None
    learning_rate: float
    per_seed: tuple[float | None, ...]
    tried: int


def score(source: str, task: TaskSettings, budget: Budget, tick: Callable[[], None] = lambda: None) -> Scored:
    """Choose the learning rate of a loss and say how good it is. The test data are not looked at."""
    settings = EvaluationSettings(losses=(source,), tasks=(task,), budget=budget)
    made = task_of(task)
    metric = metric_of(task, made)
    check_metric(metric, made, budget.seed)
    only = contestant(source, made.kind, budget.own_parameters, judged=True)
    subject = Subject(made, (metric,), (only,), _training(budget))
    record = Record(settings, {}, ())
    work = _Work(0, subject, budget, EvaluationFolder(None, record), lambda line: None, tick)
    choice = work.choice(only)
    cost = choice.cost if math.isfinite(choice.cost) else None
    return Scored(metric.name, cost, choice.setting.learning_rate, choice.per_seed, choice.tried)


def _training(budget: Budget) -> Training:
    if budget.training.learning_rate is not None:
        raise ConfigError(
            "setting 'training.learning_rate' has no effect here: every loss gets its own; "
            "set learning_rates to the rates to choose from"
        )
    return budget.training


def _subject(settings: EvaluationSettings, own: TaskSettings) -> Subject:
    task = task_of(own)
    metric = metric_of(own, task)
    check_metric(metric, task, settings.budget.seed)
    others = [find_metric(name, task.kind) for name in settings.metrics if name != metric.name]
    rivals = contestants_for(task.kind, settings.losses, settings.against, settings.budget.own_parameters)
    return Subject(task, (metric, *others), tuple(rivals), _training(settings.budget))


def _folder(settings: EvaluationSettings, subjects: Sequence[Subject], out: Path | None) -> EvaluationFolder:
    if out is not None and same_settings(out, settings):
        return EvaluationFolder.open(out)
    plans = [plan_for(subject.task, subject.training) for subject in subjects]
    groupings = tuple(Grouping("chain" if plan.chain else "traced", plan.at_once) for plan in plans)
    versions = {"symloss": __version__, "torch": version("torch")}
    return EvaluationFolder.create(out, Record(settings, versions, groupings))


@dataclass(frozen=True)
class _Work:
    """The trainings on one task."""

    number: int
    subject: Subject
    budget: Budget
    folder: EvaluationFolder
    say: Say
    tick: Callable[[], None]

    def rows(self) -> list[Row]:
        """Every contestant's result."""
        chosen = [(own, self._announced(own)) for own in self.subject.contestants]
        tested = self._tested([choice.setting for _, choice in chosen])
        return [
            self._row(own, choice, networks) for (own, choice), networks in zip(chosen, tested, strict=True)
        ]

    def _announced(self, own: Contestant) -> Choice:
        choice = self.choice(own)
        self.say(
            f"{self.subject.task.name}: {own.name}: learning rate {choice.setting.learning_rate:g} of "
            f"{choice.tried} settings, validation {choice.cost:.4g}"
        )
        return choice

    def choice(self, own: Contestant) -> Choice:
        """The setting of a loss that is best on validation data."""

        def costs(version: Version, decay: float, rates: Sequence[float]) -> list[list[Trained]]:
            by_seed = [self._chosen_with(own, version, decay, rates, seed) for seed in self._choosing_seeds]
            return [list(networks) for networks in zip(*by_seed, strict=True)]

        return choose(own, self.budget, costs)

    @property
    def _choosing_seeds(self) -> list[int]:
        return [self.budget.seed + index for index in range(self.budget.choosing_seeds)]

    def _chosen_with(
        self, own: Contestant, version: Version, decay: float, rates: Sequence[float], seed: int
    ) -> tuple[Trained, ...]:
        jobs = [Job(version.loss, seed, rate) for rate in rates]
        what = f"{own.name}|{version.label}|{decay!r}|{'|'.join(map(repr, rates))}"
        return self._trained(f"choose|{self.number}|{seed}|{what}", jobs, decay, seed, self._looks())

    def _looks(self, points: int = 1, test: bool = False) -> Looks:
        return Looks(self.subject.metrics, points, test)

    def _tested(self, settings: Sequence[Setting]) -> list[list[Trained]]:
        """Networks of every loss from every fresh seed; those of one seed see the same batches."""
        found: list[list[Trained]] = [[] for _ in settings]
        for index in range(self.budget.seeds):
            seed = self.budget.seed + FRESH_SEEDS + index
            for decay in sorted({setting.weight_decay for setting in settings}):
                rows = [row for row, setting in enumerate(settings) if setting.weight_decay == decay]
                jobs = [Job(settings[row].version.loss, seed, settings[row].learning_rate) for row in rows]
                key = f"test|{self.number}|{seed}|{decay!r}"
                looks = self._looks(self.budget.curve_points, test=True)
                for row, network in zip(rows, self._trained(key, jobs, decay, seed, looks), strict=True):
                    found[row].append(network)
            self.say(f"{self.subject.task.name}: seed {index + 1} of {self.budget.seeds} tested")
        return found

    def _trained(
        self, key: str, jobs: Sequence[Job], decay: float, seed: int, looks: Looks
    ) -> tuple[Trained, ...]:
        known = self.folder.known(key)
        if known is None:
            training = msgspec.structs.replace(self.subject.training, weight_decay=decay)
            known = tuple(train_networks(self.subject.task, jobs, training, seed, looks, self.tick))
            self.folder.add(key, known)
        return known

    def _row(self, own: Contestant, choice: Choice, networks: Sequence[Trained]) -> Row:
        columns = zip(*(network.test for network in networks), strict=True)
        test = {
            metric.name: tuple(math.nan if cost is None else cost for cost in column)
            for metric, column in zip(self.subject.metrics, columns, strict=True)
        }
        setting = choice.setting
        return Row(
            own.name,
            own.judged,
            own.formula,
            setting.version.label,
            setting.learning_rate,
            setting.weight_decay,
            choice.tried,
            choice.cost,
            test,
            tuple(_mean(points) for points in zip(*(n.curve for n in networks), strict=True)),
        )


def _mean(costs: Sequence[float | None]) -> float:
    return math.nan if None in costs else sum(c for c in costs if c is not None) / len(costs)


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


def title(settings: TaskSettings, task: Task) -> str:
    """A task with what was done to its training data, such as "digits, label noise 0.4"."""
    usual = TaskSettings()
    changed = [
        f"{name.replace('_', ' ')} {getattr(settings, name):g}"
        for name in (*CORRUPTIONS, "train_size", "augment")
        if getattr(settings, name) != getattr(usual, name)
    ]
    return ", ".join([task.name, *changed])
