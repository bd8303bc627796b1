"""What is compared on a task, checked before anything is trained, and the folder that it is kept in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from symloss import __version__
from symloss.archive import RunFolder
from symloss.archive.holding import held, make_folder
from symloss.archive.learned import LearnedFolder
from symloss.config import TaskSettings
from symloss.errors import ConfigError, TaskError
from symloss.evaluation.contestants import Contestant, contestants_for, expanded, source_of
from symloss.evaluation.folder import Circumstances, EvaluationFolder, Record, same_settings
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.making import check_metric, digest_of, metric_of, task_of
from symloss.meta.choosing import plan_for
from symloss.meta.settings import Training
from symloss.places import relocated
from symloss.run_record import begun_in, changed_data, config_of
from symloss.tasks import CORRUPTIONS, Metric, Task, find_metric
from symloss.tasks.loading import is_spec, source_digest


@dataclass(frozen=True)
class Subject:
    """A task, what is compared on it, and how its networks are trained."""

    task: Task
    metrics: tuple[Metric, ...]
    contestants: tuple[Contestant, ...]
    training: Training


def training_of(budget: Budget) -> Training:
    """The training of every network. Raises ConfigError for settings that are chosen and not set."""
    if budget.training.learning_rate is not None:
        raise ConfigError(
            "setting 'training.learning_rate' has no effect here: every loss gets its own; "
            "set learning_rates to the rates to choose from"
        )
    if budget.training.weight_decay:
        raise ConfigError(
            "setting 'training.weight_decay' has no effect here: it is chosen like the learning rate; "
            f"set weight_decays=[{budget.training.weight_decay:g}] for this one alone"
        )
    return budget.training


def subject_of(
    settings: EvaluationSettings, own: TaskSettings, warn: Callable[[str], None] = lambda line: None
) -> Subject:
    """A task with its contestants. Raises SymlossErrors for whatever of them cannot be used.

    warn: is told if the data are no longer those on which a search among the contestants was made.
    """
    task = task_of(own)
    for source in (*settings.losses, *expanded(task.kind, settings.against)):
        for line in changed_since_search(source, own, task):
            warn(line)
    metric = metric_of(own, task)
    others = [find_metric(name, task.kind, task.positive) for name in settings.metrics]
    others = [other for other in others if other.name != metric.name]
    for reported in (metric, *others):
        check_metric(reported, task, settings.budget.seed)
    rivals = contestants_for(task.kind, settings.losses, settings.against, settings.budget.own_parameters)
    return Subject(task, (metric, *others), tuple(rivals), training_of(settings.budget))


def changed_since_search(source: str, own: TaskSettings, task: Task) -> list[str]:
    """A sentence if `source` is a search on a task of this name, whose data are others now.

    Files that the search names are looked for as if it went on; without them there is nothing to compare.
    own, task: the settings of an evaluation, and what they make.
    """
    path = Path(source_of(source))
    if not os.path.isdir(path) or LearnedFolder.is_one(path):
        return []
    folder = RunFolder.open(path)
    if folder.record()["task"].get("given"):
        return []
    try:  # its metric decides no data, and may be gone
        config = relocated(msgspec.structs.replace(config_of(folder), metric=None), begun_in(folder))
        if config.task != own.task:
            return []
        return changed_data(folder, task if _same_data(config, own) else task_of(config))
    except TaskError:  # what the search was made on is not there any more, and this is another task
        return []


def _same_data(one: TaskSettings, other: TaskSettings) -> bool:
    """Whether settings choose, split and damage data alike."""
    decisive = (*CORRUPTIONS, "task", "train_size", "data_dir", "data_seed")
    return all(getattr(one, name) == getattr(other, name) for name in decisive)


@contextmanager
def folder_for(
    settings: EvaluationSettings, subjects: Sequence[Subject], out: Path | None
) -> Iterator[EvaluationFolder]:
    """Where trials are kept, held meanwhile: the folder of an evaluation of these settings, or a new one."""
    versions = {"symloss": __version__, "torch": version("torch")}
    found = [_found(settings, *pair) for pair in zip(settings.tasks, subjects, strict=True)]
    if out is not None and same_settings(out, settings):
        with held(out):
            folder = EvaluationFolder.open(out)
            folder.check_unchanged(versions, found)
            yield folder
        return
    plans = [plan_for(subject.task, subject.training) for subject in subjects]
    tasks = tuple(
        Circumstances(*own, plan.name, plan.at_once, plan.recorded is not None)
        for own, plan in zip(found, plans, strict=True)
    )
    record = Record(settings, versions, tasks)
    if out is None:
        yield EvaluationFolder(None, record)
        return
    EvaluationFolder.check_new(out)
    make_folder(out)
    with held(out):  # before it is made: of two that are given one folder, the second is refused
        yield EvaluationFolder.create(out, record)


def _found(
    settings: EvaluationSettings, own: TaskSettings, subject: Subject
) -> tuple[str, dict[str, str], str]:
    """Digest, losses and device of a task: see `Circumstances`."""
    code = [source_digest(metric) for metric in settings.metrics if is_spec(metric)]
    losses = {contestant.name: contestant.identity for contestant in subject.contestants}
    return " ".join([digest_of(own, subject.task), *code]), losses, str(subject.task.train.x.device)


def title(settings: TaskSettings, task: Task) -> str:
    """A task with what was done to its training data, such as "digits, label noise 0.4"."""
    usual = TaskSettings()
    changed = [
        f"{name.replace('_', ' ')} {getattr(settings, name):g}"
        for name in (*CORRUPTIONS, "train_size", "augment")
        if getattr(settings, name) != getattr(usual, name)
    ]
    return ", ".join([task.name, *changed])
