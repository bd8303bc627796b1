"""What `run.json` says about a learned loss, and the configuration read back from it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import msgspec

from symloss import __version__
from symloss.archive.learned import LearnedFolder, LearnedRecord
from symloss.errors import RunError
from symloss.learning.settings import LearnConfig
from symloss.making import digest_of, metric_of
from symloss.meta.choosing import plan_for
from symloss.places import here
from symloss.records import Kind
from symloss.tasks import Task


def settled(config: LearnConfig, task: Task) -> LearnConfig:
    """The configuration with what is left to defaults and measurement, which must not be made anew."""
    plan = plan_for(task, config.training)
    usual = 0.001 if task.kind is Kind.REGRESSION else 0.01
    training = msgspec.structs.replace(
        plan.settled(config.training), learning_rate=config.training.learning_rate or usual
    )
    return msgspec.structs.replace(config, training=training, network=config.loss_network)


def versions() -> dict[str, str]:
    """Of what computes the loss."""
    return {"symloss": __version__, "torch": version("torch"), "python": platform.python_version()}


def record_of(config: LearnConfig, task: Task) -> dict[str, Any]:
    """What `run.json` says."""
    return {
        "method": config.method,
        "seed": config.seed,
        "task": {
            "name": task.name,
            "kind": task.kind.value,
            "num_outputs": task.num_outputs,
            "model": task.model_name,
            "metric": metric_of(config, task).name,
            "digest": digest_of(config, task),
            "notes": list(task.notes),
        },
        "network": config.loss_network,
        "versions": versions(),
        "begun_in": here(),
        "config": msgspec.to_builtins(config),
    }


def changes_since(record: LearnedRecord, digest: str) -> list[str]:
    """What is no longer as it was when a run began, and could change its result, in words."""
    changed = record.task.digest != digest
    changes = ["the data, the networks or the metric are others"] if changed else []
    return changes + [
        f"{name} is {now} and was {record.versions[name]}"
        for name, now in versions().items()
        if name != "python" and record.versions.get(name) not in (None, now)
    ]


def config_of(folder: LearnedFolder) -> LearnConfig:
    """The configuration of a saved run. Raises RunError if it cannot be read."""
    try:
        return msgspec.convert(folder.record().config, LearnConfig)
    except msgspec.ValidationError as error:
        raise RunError(f"'{folder.path / 'run.json'}' is damaged: {error}") from None
