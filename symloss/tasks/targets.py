"""A user's targets: what kind they are of, and labels in the form of a `Split`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.records import Kind

Array = NDArray[Any]


FEW = 20
"""Most different whole numbers that are taken for class ids though they are floats."""


def kind_of(targets: Array) -> Kind:
    """Regression for numbers with a fraction, classes for whole numbers, truth values and text.

    Floats that are whole are classes if they are few, each of several samples: a column of integers that has
    had a gap is written so. Many of them are values.
    """
    if targets.dtype.kind != "f":
        return Kind.MULTICLASS
    whole = targets.ndim == 1 and np.array_equal(targets, np.round(targets))
    few = whole and len(np.unique(targets)) <= min(FEW, len(targets) / 5)
    return Kind.MULTICLASS if few else Kind.REGRESSION


def encoded(targets: Array, kind: Kind) -> tuple[Array, int, tuple[str, ...]]:
    """Targets in the shape of `Split`, the number of outputs, and a note if labels were renumbered.

    Raises: TaskError if they are not of that kind.
    """
    if kind is Kind.REGRESSION:
        return _values(targets)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise TaskError(
            f"y has shape {targets.shape}, expected one label per sample; use argmax on one-hot labels"
        )
    labels, ids = np.unique(targets, return_inverse=True)
    ids = ids.astype(np.int64)
    if len(labels) < 2 or (kind is Kind.BINARY and len(labels) > 2):
        expected = "two" if kind is Kind.BINARY else "two or more"
        raise TaskError(f"y has {len(labels)} different labels, expected {expected} for a {kind.value} task")
    shown = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
    usual = np.array_equal(labels, np.arange(len(labels)))
    notes = () if usual else (f"labels {shown} are numbered from 0",)
    return (ids, len(labels), notes) if kind is Kind.MULTICLASS else (ids[:, None], 1, notes)


def _values(targets: Array) -> tuple[Array, int, tuple[str, ...]]:
    if targets.dtype.kind == "U" or targets.ndim not in (1, 2):
        raise TaskError(
            f"y is {targets.dtype} of shape {targets.shape}, expected numbers of shape (samples,) or "
            "(samples, outputs) for a regression task"
        )
    targets = targets.reshape(len(targets), -1).astype(np.float64)
    return targets, targets.shape[1], ()
