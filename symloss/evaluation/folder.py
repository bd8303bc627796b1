"""An evaluation on disk.

    evaluation.json  what was asked for, and how networks are grouped, which decides the last bits
    trials.jsonl     what was trained, one JSON object a line for networks trained together (append-only)
    timing.json      how long a training step takes under each loss, measured once
    results.json, report.md, report.tex, *.svg   the outcome, written at the end; see `reports`

A line is there or not there, whatever ends the process; what is there is not trained again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from symloss.archive.files import (
    append_lines,
    cut_unfinished_line,
    decode,
    read_file,
    read_lines,
    replace_file,
)
from symloss.archive.new import check_new
from symloss.errors import RunError
from symloss.evaluation.settings import EvaluationSettings
from symloss.evaluation.training import Trained

RECORD, TRIALS, TIMING = "evaluation.json", "trials.jsonl", "timing.json"


class Circumstances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the settings meant for one of the tasks when the evaluation began.

    digest: of data, networks, and users' files for task and metrics. losses: by name, what tells each apart.
    network, models_at_once, cuda_graphs: how networks are trained; measured once, since it decides the last
    bits.
    """

    digest: str
    losses: dict[str, str]
    device: str
    network: Literal["chain", "traced", "separate"]
    models_at_once: int
    cuda_graphs: bool = False


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of evaluation.json. tasks: in the order of those of the settings."""

    settings: EvaluationSettings
    versions: dict[str, str]
    tasks: tuple[Circumstances, ...]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The networks of a group, under a key that says what they are."""

    key: str
    networks: tuple[Trained, ...]


class EvaluationFolder:
    """The trials of an evaluation, kept in a folder, or in memory alone without one."""

    def __init__(self, path: Path | None, record: Record) -> None:
        self.path, self.record = path, record
        self._known: dict[str, tuple[Trained, ...]] = {}

    @classmethod
    def create(cls, path: Path, record: Record) -> EvaluationFolder:
        """A new folder. Raises RunError, and changes nothing, if it exists and is not empty."""
        cls.check_new(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / TRIALS).touch()
        except OSError as error:
            raise RunError(f"cannot write the folder '{path}': {error.strerror or error}") from error
        replace_file(path / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=2))
        return cls(path, record)

    @classmethod
    def check_new(cls, path: Path) -> None:
        """Raise RunError if `create` would."""
        check_new(
            path, [TRIALS], [f".{RECORD}.new"], lambda folder: (folder / RECORD).exists(), "an evaluation"
        )

    @classmethod
    def open(cls, path: Path) -> EvaluationFolder:
        """One that exists. Raises RunError if `path` is none, or is damaged."""
        record = decode(str(path / RECORD), read_file(path / RECORD), Record)
        folder = cls(path, record)
        cut_unfinished_line(path / TRIALS)
        folder._known = {line.key: line.networks for line in read_lines(path / TRIALS, Line)}
        return folder

    def known(self, key: str) -> tuple[Trained, ...] | None:
        """The networks of a group that has been trained."""
        return self._known.get(key)

    def add(self, key: str, networks: tuple[Trained, ...]) -> None:
        """Remember what was trained."""
        self._known[key] = networks
        if self.path is not None:
            append_lines(self.path / TRIALS, [Line(key, networks)])

    def check_unchanged(
        self, versions: dict[str, str], tasks: Sequence[tuple[str, dict[str, str], str]]
    ) -> None:
        """Raise RunError if the settings mean something else now than when this evaluation began.

        tasks: digest, losses and device of each, as in `Circumstances`.
        """
        if len(self.record.tasks) != len(tasks):
            raise RunError(f"'{self.path}/{RECORD}' is damaged: it has {len(self.record.tasks)} tasks")
        was = self.record.versions
        changes = [
            f"{name} is {now} and was {was.get(name)}"
            for name, now in versions.items()
            if was.get(name) != now
        ]
        for before, (digest, losses, device) in zip(self.record.tasks, tasks, strict=True):
            changes += [
                f"'{name}' is another loss" for name in losses if before.losses.get(name) != losses[name]
            ]
            if before.digest != digest:
                changes.append("the data, the networks or the metric are others")
            if before.device != device:
                changes.append(f"the device is {device} and was {before.device}")
        if changes:
            raise RunError(
                f"the evaluation in '{self.path}' cannot go on as it began: {'; '.join(changes)}; "
                "choose another --out"
            )

    def timing(self, number: int, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """What `measure` finds for a task; it is asked once and its answer kept."""
        path = None if self.path is None else self.path / TIMING
        known: dict[int, dict[str, float]] = {}
        if path is not None and os.path.exists(path):
            known = decode(str(path), read_file(path), dict[int, dict[str, float]])
        if number not in known:
            known[number] = measure()
            if path is not None:
                replace_file(path, msgspec.json.encode(known))
        return known[number]


def same_settings(path: Path, settings: EvaluationSettings) -> bool:
    """Whether the folder holds an evaluation of just these settings."""
    try:
        return recorded_settings(path) == settings
    except RunError:
        return False  # none there, damaged, or of another version: not ours to go on with


def recorded_settings(path: Path) -> EvaluationSettings:
    """What the evaluation in a folder was asked for. Raises RunError if it cannot be read."""
    return decode(str(path / RECORD), read_file(path / RECORD), Record).settings
