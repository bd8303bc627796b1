"""The run folder of a loss that was learned as a network. This is the only module that writes into one.

    run.json         what was asked for: method, settings, versions, seed, task
    snapshots.jsonl  the loss at chosen steps of training, one JSON object a line (append-only)
    state.pt         where to go on (replaced at each save)
    events.jsonl     what happened when (append-only; the only file with times in it)

Snapshots are flushed before the state is replaced in one step, so a run that dies at any moment goes on from
its last save: what was written after that is cut off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from symloss.archive.files import (
    MAX_STATE,
    append_lines,
    cut_unfinished_line,
    decode,
    read_file,
    read_lines,
    replace_file,
    truncate,
)
from symloss.archive.new import check_new
from symloss.errors import RunError
from symloss.losses.neural.settings import NetworkSettings
from symloss.records import Kind


class Visits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where training was shortly before a snapshot: a coarse histogram of the pairs that entered the loss.

    targets, predictions: edges of the bins, ascending, one more than there are bins. For probabilities the
    bins of targets are those of 0 and of 1. counts: one row for each bin of targets.
    """

    targets: tuple[float, ...]
    predictions: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A learned loss at one moment; a line of `snapshots.jsonl`.

    step:     steps of the base network's training that were done; 0 is where it begins.
    progress: the same as a fraction of the whole training, in [0, 1].
    weights:  of the loss network, flat, in the order of `LossNetwork.weights`; they read back bit for bit.
              With a learned learning rate instead of a loss network: that rate alone.
    visits:   None where nothing was trained, as in an offline run.
    """

    step: int
    progress: float
    weights: tuple[float, ...]
    visits: Visits | None = None


class LearnedTask(msgspec.Struct, frozen=True):
    """The task in `run.json`."""

    name: str
    kind: Kind
    num_outputs: int
    model: str
    metric: str
    digest: str
    notes: list[str] = []


class LearnedRecord(msgspec.Struct, frozen=True):
    """What must be in `run.json`, where more may stand.

    method: "ml3" or "adalfl", or "lr-offline" and "lr-online" for a learned learning rate. network: the loss
    network's settings; None for a learning rate. config: all settings of the run. begun_in: the folder from
    which it was begun.
    """

    method: str
    seed: int
    task: LearnedTask
    network: NetworkSettings | None
    versions: dict[str, str]
    config: dict[str, Any]
    begun_in: str = ""


LOGS = ("snapshots.jsonl", "events.jsonl")


class LearnedFolder:
    """A run folder of `symloss train-loss` that exists. Make one with `create`, or `open` one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, record: Mapping[str, Any]) -> LearnedFolder:
        """A new run folder. Raises RunError, and changes nothing, if `path` exists and is not empty."""
        try:
            cls.check_new(path)
            path.mkdir(parents=True, exist_ok=True)
            for name in LOGS:
                (path / name).touch()
            # Last, since its presence is what makes the folder a run.
            replace_file(path / "run.json", msgspec.json.format(msgspec.json.encode(record), indent=2))
        except OSError as error:
            raise RunError(f"cannot write the run folder '{path}': {error.strerror or error}") from error
        return cls(path)

    @classmethod
    def check_new(cls, path: Path) -> None:
        """Raise RunError if `create` would."""
        check_new(path, LOGS, [".run.json.new"], cls.is_one)

    @classmethod
    def open(cls, path: Path) -> LearnedFolder:
        """An existing run folder. Raises RunError if `path` is none."""
        if not os.path.isdir(path):
            what = "is a file" if os.path.exists(path) else "does not exist"
            raise RunError(f"'{path}' {what}; a run folder made by 'symloss train-loss --out' was expected")
        if not cls.is_one(path):
            raise RunError(
                f"'{path}' is not the run of a learned loss; give the --out of a 'symloss train-loss'"
            )
        return cls(path)

    @staticmethod
    def is_one(path: Path) -> bool:
        """Whether a folder was made by `train-loss`."""
        return os.path.isfile(path / "run.json") and os.path.isfile(path / "snapshots.jsonl")

    def record(self) -> LearnedRecord:
        """What was asked for, as in `run.json`."""
        return decode(f"{self.path}/run.json", read_file(self.path / "run.json"), LearnedRecord)

    def snapshots(self, length: int | None = None) -> list[Snapshot]:
        """The snapshots in their order, or those in the first `length` bytes."""
        found = read_lines(self.path / "snapshots.jsonl", Snapshot, length)
        network = self.record().network
        expected = network.size if network else 1
        for number, own in enumerate(found, start=1):
            if len(own.weights) != expected:
                raise RunError(
                    f"'{self.path / 'snapshots.jsonl'}, line {number}' is damaged: "
                    f"found {len(own.weights)} weights, expected {expected}"
                )
        return found

    def add_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        """Append snapshots."""
        append_lines(self.path / "snapshots.jsonl", snapshots)

    def add_event(self, event: str, **facts: Any) -> None:
        """Append an event with the time of day."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        append_lines(self.path / "events.jsonl", [{"time": now, "event": event, **facts}])

    def length(self) -> int:
        """Bytes of the snapshots so far: what a state should remember."""
        return (self.path / "snapshots.jsonl").stat().st_size

    def save_state(self, data: bytes) -> None:
        """Replace the state; its meaning is its writer's."""
        replace_file(self.path / "state.pt", data)

    def state(self) -> bytes | None:
        """The state that was saved last; None if there is none yet."""
        path = self.path / "state.pt"
        return read_file(path, MAX_STATE) if os.path.exists(path) else None

    def cut_back(self, length: int) -> None:
        """Drop the snapshots after the first `length` bytes, and an event that was never ended.

        Call this before going on from a state.
        """
        path = self.path / "snapshots.jsonl"
        if path.stat().st_size < length:
            raise RunError(f"'{path}' is shorter than its state.pt says; the run cannot be continued")
        self.snapshots(length)  # nobody else looks at them before the end: damage is told now
        truncate(path, length)
        cut_unfinished_line(self.path / "events.jsonl")
