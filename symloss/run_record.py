"""What `run.json` says about a search, and the configuration read back from it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import msgspec
import torch

from symloss import __version__
from symloss.archive import RunFolder
from symloss.config import SearchConfig, to_settings
from symloss.errors import RunError
from symloss.grammar import Grammar
from symloss.tasks import Task


def run_record(
    config: SearchConfig, task: Task, digest: str, grammar: Grammar, given: bool = False
) -> dict[str, Any]:
    """What `run.json` says about a search: its resolved configuration and what it ran on.

    digest: of the task, see `making.digest_of`. given: the task was handed over as a value, so the
    configuration does not say how to make it.
    """
    libraries = ("torch", "numpy", "sympy", "deap")
    return {
        "symloss": __version__,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "seed": config.seed,
        "task": {
            "name": task.name,
            "kind": task.kind.value,
            "model": task.model_name,
            "metric": config.metric or task.metric,
            "notes": list(task.notes),
            "samples": [len(task.train), len(task.valid), len(task.test)],
            "given": given,
            "digest": digest,
        },
        "grammar": {"name": grammar.name, "digest": grammar.digest},
        "config": to_settings(config),
    }


def check_task(folder: RunFolder, digest: str) -> None:
    """Raise RunError if a task is not the one that a saved run was on."""
    if folder.record()["task"].get("digest") != digest:
        raise RunError(
            f"the data, the networks or the metric are others now than when the search in '{folder.path}' "
            "began; choose another --out, or bring them back"
        )


def config_of(folder: RunFolder) -> SearchConfig:
    """The configuration of a saved run. Raises RunError if it cannot be read."""
    try:
        return msgspec.convert(folder.record().get("config"), SearchConfig)
    except msgspec.ValidationError as error:
        raise RunError(f"'{folder.path / 'run.json'}' is damaged: {error}") from None
