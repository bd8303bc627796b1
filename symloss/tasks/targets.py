"""A user's targets: what kind they are of, and labels in the form of a `Split`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError, did_you_mean
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


class Encoded(NamedTuple):
    """Targets in the shape of `Split`, the number of outputs, notes, and the names of classes by their ids.

    notes: if labels were renumbered, and which class was chosen for metrics to count. positive: that class.
    """

    targets: Array
    outputs: int
    notes: tuple[str, ...] = ()
    labels: Array | None = None
    positive: str | None = None


def encoded(targets: Array, kind: Kind, positive: object = None) -> Encoded:
    """Targets as numbers of their kind. Labels are numbered in sorted order, but `positive` is class 1.

    Raises: TaskError if they are not of that kind, or `positive` is none of two classes.
    """
    if kind is Kind.REGRESSION:
        if positive is not None:
            raise TaskError(
                f"positive is '{positive}', {_OF_TWO}, and y has values for regression; {_WITHOUT}"
            )
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
    if positive is not None and _is_first(labels, positive):
        labels, ids = labels[::-1], 1 - ids
    notes = _notes(labels, positive is not None)
    chosen = None if positive is None else str(labels[1])
    if kind is Kind.BINARY:
        return Encoded(ids[:, None], 1, notes, labels, chosen)
    return Encoded(ids, len(labels), notes, labels, chosen)


_OF_TWO = "which chooses one of two classes"
_WITHOUT = "leave it out"


def _is_first(labels: Array, positive: Any) -> bool:
    """Whether the positive class is the first of two labels. Raises TaskError if it is neither of two."""
    shown = _listed(labels)
    if len(labels) != 2:
        raise TaskError(f"positive is '{positive}', {_OF_TWO}, and y has {len(labels)}: {shown}; {_WITHOUT}")
    # An array, which a label cannot be, is none of them.
    named = [str(label) == str(positive) or np.array_equal(label, positive) for label in labels.tolist()]
    if not any(named):
        names = [str(label) for label in labels]
        raise TaskError(
            f"positive is '{positive}', which no label of y is; {did_you_mean(str(positive), names)}"
        )
    return named[0]


def _notes(labels: Array, chosen: bool) -> tuple[str, ...]:
    """What is to be known of how labels are numbered, and which class was chosen."""
    usual = np.array_equal(labels, np.arange(len(labels)))
    notes = () if usual else (f"labels {_listed(labels)} are numbered from 0",)
    if not chosen:
        return notes
    return (*notes, f"class {labels[1]} is positive: f1 and average-precision count it alone")


def _listed(labels: Array) -> str:
    return ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")


def _values(targets: Array) -> Encoded:
    if targets.dtype.kind == "U" or targets.ndim not in (1, 2):
        raise TaskError(
            f"y is {targets.dtype} of shape {targets.shape}, expected numbers of shape (samples,) or "
            "(samples, outputs) for a regression task"
        )
    targets = targets.reshape(len(targets), -1).astype(np.float64)
    return Encoded(targets, targets.shape[1])


def apart(found: Encoded, sizes: Sequence[int], names: Sequence[str], kind: Kind) -> list[Array]:
    """Encoded targets of several data sets, joined, as those of each: first of the training data.

    Raises: TaskError if another, called by its name, has classes that nothing can learn, or one class alone.
    """
    train, *others = np.split(found.targets, np.cumsum(sizes)[:-1])
    if kind is Kind.REGRESSION:
        return [train, *others]

    def listed(ids: Array) -> str:
        labels = [str(id_ if found.labels is None else found.labels[int(id_)])[:40] for id_ in ids[:5]]
        return ", ".join(labels) + (", ..." if len(ids) > 5 else "")

    for name, other in zip(names[1:], others, strict=True):
        new, classes = np.setdiff1d(other, train), np.unique(other)
        if len(new):
            raise TaskError(
                f"{name} has classes that the training data lacks: {listed(new)}; training needs samples "
                "of each"
            )
        if len(classes) < 2:
            raise TaskError(
                f"{name} has samples of class {listed(classes)} alone, which says nothing of a classifier; "
                "it needs samples of others too"
            )
    return [train, *others]
