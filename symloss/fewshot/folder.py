"""The run folder of few-shot training.

run.json       what was asked for: settings, data, versions; its field "program" is "fewshot"
state.pt       where training stands; replaced in one step, read as plain tensors only
history.jsonl  a line of JSON for each checkpoint: stage, step, loss, cost on validation tasks
tensorboard/   the same for TensorBoard, where that is installed
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import torch

from symloss import __version__
from symloss.archive import new as archive
from symloss.archive.files import MAX_STATE, decode, read_file, replace_file
from symloss.archive.holding import make_folder
from symloss.archive.programs import FEWSHOT, is_fewshot
from symloss.errors import RunError
from symloss.fewshot.course import Saved
from symloss.fewshot.learner import Parameters
from symloss.fewshot.settings import Settings, consistent
from symloss.reading.files import reason_of
from symloss.reading.tensors import tensors_in


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which episodes. dataset: a name or path as `make_fewshot` has it; None for a task given in Python.

    seed: of the episodes, apart from the seed of training, so that runs can be compared on the same tasks.
    """

    dataset: str | None
    ways: int
    shots: int
    queries: int
    seed: int = 0
    data: str | None = None


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of `run.json`."""

    program: str
    settings: Settings
    data: Data
    device: str
    shape: tuple[int, ...]
    batched: bool
    symloss: str
    torch: str


class State(msgspec.Struct, kw_only=True):
    """The content of `state.pt`. stages: each finished or running stage by name."""

    stages: dict[str, Saved]

    def best(self, stage: str) -> Parameters:
        """The best parameters of a stage; none if it was left out."""
        return self.stages[stage].best if stage in self.stages else {}


def create(path: Path, record: Record) -> None:
    """A new run folder. Raises RunError, and changes nothing, if `path` exists and is not empty."""
    check_new(path)
    make_folder(path)
    replace_file(path / "run.json", msgspec.json.format(msgspec.json.encode(record), indent=2))


def check_new(path: Path) -> None:
    """Raise RunError if `create` would."""
    archive.check_new(path, [], [".run.json.new"], is_fewshot)


def read_record(path: Path) -> Record:
    """What was asked for. Raises RunError if the folder is none of these, or damaged."""
    if not os.path.isdir(path):
        what = "is a file" if os.path.exists(path) else "does not exist"
        raise RunError(f"'{path}' {what}; the folder of 'symloss fewshot train --out' was expected")
    if not is_fewshot(path):
        raise RunError(
            f"'{path}' is not a run of few-shot training; give the --out of 'symloss fewshot train'"
        )
    record = decode(f"{path}/run.json", read_file(path / "run.json"), Record)
    consistent(record.settings)
    return record


def new_record(settings: Settings, data: Data, device: str, shape: tuple[int, ...], batched: bool) -> Record:
    """The record of a run with the versions that are here."""
    return Record(
        program=FEWSHOT,
        settings=settings,
        data=data,
        device=device,
        shape=shape,
        batched=batched,
        symloss=__version__,
        torch=str(torch.__version__),
    )


def write_state(path: Path, state: State) -> None:
    """Replace the state in one step, and the history that stands in it."""
    buffer = io.BytesIO()
    torch.save({"stages": {name: asdict(saved) for name, saved in state.stages.items()}}, buffer)
    replace_file(path / "state.pt", buffer.getvalue())
    write_history(path, state)


def write_history(path: Path, state: State) -> None:
    """Write the history of a state, for people: a killed process may have left the state alone."""
    lines = [{"stage": s.stage, **row} for s in state.stages.values() for row in s.history]
    replace_file(path / "history.jsonl", b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read_state(path: Path, device: torch.device | str = "cpu") -> State:
    """The state; an empty one if nothing was saved yet. Raises RunError if it is damaged."""
    file = path / "state.pt"
    if not os.path.exists(file):
        return State(stages={})
    try:
        found = tensors_in(read_file(file, MAX_STATE), device)
        return State(stages={name: Saved(**_fields(saved)) for name, saved in found["stages"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"'{file}' is damaged: {reason_of(error)}") from None


def _fields(saved: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in saved.items()}
