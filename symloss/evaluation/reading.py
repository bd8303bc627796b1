"""Settings of an evaluation from what a user gives: options, assignments, and the folders of searches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from symloss.archive import RunFolder
from symloss.archive.learned import LearnedFolder
from symloss.config import TaskSettings, checked, layered, parse_assignments
from symloss.errors import ConfigError
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.places import found_again


def task_settings(losses: Sequence[str], given: Mapping[str, Any]) -> TaskSettings:
    """What `given` says, and for the rest the task of the first loss that is a run folder.

    With a task of its own, nothing is taken from the search. Raises ConfigError for an impossible value.
    """
    own: dict[str, Any] = {}
    folder = next((loss for loss in losses if os.path.isdir(loss)), None)
    if folder is not None and "task" not in given:
        path = Path(folder)
        learned = LearnedFolder.is_one(path)
        own = _of_learned(path, given) if learned else _of_search(path, given)
        names = TaskSettings.__struct_fields__
        own = {name: value for name, value in own.items() if name in names}
    return checked({**own, **given}, TaskSettings)


def _of_learned(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a learned loss, with files as they are found from here but for what is given."""
    record = LearnedFolder.open(path).record()
    return {**record.config, **found_again(record.config, record.begun_in, given)}


def _of_search(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a search. Raises ConfigError if its task was given in Python."""
    record = RunFolder.open(folder).record()
    if record.get("task", {}).get("given"):
        raise ConfigError(
            f"the search in '{folder}' was given its data or metric in Python, and they are not known here; "
            "choose a --task"
        )
    config: dict[str, Any] = record["config"]
    return {**config, **found_again(config, str(record.get("begun_in") or ""), given)}


def budget_of(given: Mapping[str, Any], steps: int | None, assignments: Iterable[str] = ()) -> Budget:
    """The budget that options and assignments describe. Raises ConfigError naming the setting."""
    options = {**given} if steps is None else {**given, "training": {"steps": steps}}
    usual = {"training": {"steps": Budget().training.steps}}
    return layered(Budget, usual, parse_assignments(assignments), options)


def evaluation_settings(
    losses: Sequence[str],
    against: Sequence[str],
    task: TaskSettings,
    metrics: Sequence[str],
    budget: Budget,
) -> EvaluationSettings:
    """All settings together."""
    return EvaluationSettings(
        losses=tuple(losses), tasks=(task,), against=tuple(against), metrics=tuple(metrics), budget=budget
    )
