"""The loss that is to be distilled, by what a user calls it."""

from __future__ import annotations

import os
from pathlib import Path

from symloss.archive.programs import is_fewshot
from symloss.errors import ConfigError
from symloss.fitting.samples import usual_domain
from symloss.fitting.sources import (
    Teacher,
    is_learned,
    learned_teacher,
    snapshot_at,
    symbolic_teacher,
    user_teacher,
)
from symloss.records import Kind
from symloss.sources import load_loss
from symloss.tasks.loading import is_spec

CLASSES = 10
"""The number of classes that a formula with C in it is taken to have."""


def fewshot_teacher(path: Path) -> Teacher:
    """The inductive part of a few-shot run's loss, where the other classes share what a prediction leaves."""
    from symloss.fewshot.inductive import inductive_loss
    from symloss.fewshot.training import load

    trained = load(path)
    loss = inductive_loss(trained)
    return Teacher(f"{path}, meta step {trained.step}", loss.kind, loss.per_element, usual_domain(loss.kind))


def teacher_of(source: str, kind: str | None = None, at: int | None = None) -> Teacher:
    """The loss that `source` stands for; `kind` is needed for a function or a formula.

    Raises a SymlossError that says what is missing.
    """
    if os.path.isdir(source) and is_fewshot(Path(source)):
        return fewshot_teacher(Path(source))
    if is_learned(source):
        path = Path(source)
        return learned_teacher(path, snapshot_at(path, at))
    if at is not None:
        raise ConfigError(f"--at chooses a moment of a learned loss, and '{source}' is none")
    wanted = None if kind is None else Kind(kind)
    if is_spec(source) and not os.path.isfile(source):
        if wanted is None:
            raise ConfigError(f"a function needs its kind of task: --kind {', '.join(k.value for k in Kind)}")
        return user_teacher(source, wanted)
    found = load_loss(source, wanted)
    return symbolic_teacher(found.loss, found.name, CLASSES)
