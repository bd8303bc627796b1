"""The languages that losses are exported to. A new one joins by being listed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symloss.errors import ExportError, did_you_mean
from symloss.export.header import Header
from symloss.export.latex import emit_latex
from symloss.export.numpy_code import emit_numpy
from symloss.export.pytorch import emit_torch
from symloss.records import SymbolicLoss


@dataclass(frozen=True)
class Target:
    """One language.

    emit:   writes a loss, with its header, as the text of a file.
    dtypes: precisions in which the file is executed and compared; empty for what cannot be executed.
    """

    name: str
    suffix: str
    emit: Callable[[SymbolicLoss, Header], str]
    dtypes: tuple[str, ...] = ()


_ROWS = [
    Target("torch", ".py", emit_torch, ("float64", "float32")),
    Target("numpy", "_numpy.py", emit_numpy, ("float64",)),
    Target("latex", ".tex", emit_latex),
]

TARGETS: dict[str, Target] = {row.name: row for row in _ROWS}


def target_named(name: str) -> Target:
    """The row of `name`. Raises ExportError, with the nearest known name, if there is none."""
    if name not in TARGETS:
        raise ExportError(f"unknown format '{name}': {did_you_mean(name, TARGETS)}")
    return TARGETS[name]
