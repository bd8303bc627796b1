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
from symloss.export.header import DECISIVE
from symloss.grammar import Grammar, parse_grammar
from symloss.places import here
from symloss.tasks import Task
from symloss.tasks.fingerprint import data_digest


def versions() -> dict[str, str]:
    """The libraries that a search uses."""
    return {name: version(name) for name in ("torch", "numpy", "sympy", "deap")}


def run_record(
    config: SearchConfig, task: Task, digest: str, grammar: Grammar, metric: str, given: bool = False
) -> dict[str, Any]:
    """What `run.json` says about a search: its resolved configuration and what it ran on.

    digest: of the task, see `making.digest_of`. metric: its name. given: the task or the metric was handed
    over as a value, so the configuration does not say how to make it.
    """
    return {
        "symloss": __version__,
        "python": platform.python_version(),
        "versions": versions(),
        "platform": platform.platform(),
        "begun_in": here(),
        "threads": torch.get_num_threads(),
        "determinism": determinism(config, task.train.x.device),
        "device": str(task.train.x.device),
        "seed": config.seed,
        "task": {
            "name": task.name,
            "kind": task.kind.value,
            "model": task.model_name,
            "outputs": task.num_outputs,
            "metric": metric,
            "positive": task.positive,
            "notes": list(task.notes),
            "samples": [len(task.train), len(task.valid), len(task.test)],
            "given": given,
            "digest": digest,
            "data": data_digest(task),
        },
        "grammar": {"name": grammar.name, "digest": grammar.digest},
        "config": to_settings(config),
    }


def determinism(config: SearchConfig, device: torch.device) -> str:
    """What is promised of another search with the same command, seed and versions, in a sentence."""
    if config.time_budget is not None:
        return "the time budget decides how far the search comes, so it depends on the machine"
    if device.type == "cpu":
        return "the same candidates bit for bit on such a processor, with any number of workers"
    return "the same decisions wherever fitness differs by more than its rounding errors"


def changes_since(folder: RunFolder, task: Task, digest: str) -> list[str]:
    """What is no longer as it was when a saved run began, and could change its result, in words."""
    record = folder.record()
    changes = []
    if record["task"].get("digest") != digest:
        changes.append("the data, the networks or the metric are others")
    if folder_grammar(folder).digest != record["grammar"]["digest"]:
        changes.append("its grammar.grammar has been edited")
    before = {"symloss": record.get("symloss"), **(record.get("versions") or {})}
    now = {"symloss": __version__, **{name: version(name) for name in DECISIVE}}
    changes += [
        f"{name} is {found} and was {before[name]}"
        for name, found in now.items()
        if before.get(name) not in (None, found)
    ]
    was = record.get("device")
    if was is not None and was != str(task.train.x.device):
        changes.append(f"the device is {task.train.x.device} and was {was}")
    return changes


def changed_data(folder: RunFolder, task: Task) -> list[str]:
    """A sentence if the data of a search are others now; none if they are not, or its record does not tell.

    They are compared as networks are given them, so that scaling them elsewhere may change their last bits.
    task: as the search's own settings make it now.
    """
    recorded = folder.record()["task"].get("data")
    if not isinstance(recorded, str) or recorded == data_digest(task):
        return []
    return [
        f"the data of the task '{config_of(folder).task}' are not those of the search in '{folder.path}' to "
        "the last bit: they have changed since, or another processor or library has split or scaled them; "
        "networks are trained on what they are now"
    ]


def folder_grammar(folder: RunFolder) -> Grammar:
    """The grammar that a run keeps."""
    return parse_grammar(folder.grammar_text(), str(folder.path / "grammar.grammar"))


def begun_in(folder: RunFolder) -> str:
    """The folder from which a search was begun; '' if its record does not say."""
    return str(folder.record().get("begun_in") or "")


def config_of(folder: RunFolder) -> SearchConfig:
    """The configuration of a saved run. Raises RunError if it cannot be read."""
    try:
        return msgspec.convert(folder.record().get("config"), SearchConfig)
    except msgspec.ValidationError as error:
        raise RunError(f"'{folder.path / 'run.json'}' is damaged: {error}") from None
