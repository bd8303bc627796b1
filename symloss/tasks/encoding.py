"""Columns of numbers and text as numbers that networks take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.tasks.tables import Columns

Array = NDArray[Any]


def structured(columns: Columns) -> Array:
    """Columns as the fields of one array (n,): float64 or text."""
    plain = [column if column.dtype.kind == "U" else column.astype(np.float64) for column in columns.values()]
    fields = [(name, column.dtype) for name, column in zip(columns, plain, strict=True)]
    table = np.empty(len(plain[0]), dtype=fields)
    for name, column in zip(columns, plain, strict=True):
        table[name] = column
    return table


def kinds(table: Array) -> tuple[list[str], list[str]]:
    """Names of the fields that are numbers, and of those that are text."""
    names = table.dtype.names or ()
    texts = [name for name in names if table.dtype[name].kind == "U"]
    return [name for name in names if name not in texts], texts


def encoder(train: Array) -> Callable[[Array], Array]:
    """From fields (n,) to numbers (n, features), with means and categories of the training part.

    Numbers are standardised, their gaps filled with the mean; texts become zeros and a one, all zeros for
    a text that is not in the training part.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    steps: list[tuple[Any, list[str]]] = []
    numbers, texts = kinds(train)
    if numbers:
        steps.append((make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers))
    if texts:
        steps.append((OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts))
    for step, names in steps:
        step.fit(_matrix(train, names))
    return lambda table: np.hstack([step.transform(_matrix(table, names)) for step, names in steps])


def _matrix(table: Array, names: Iterable[str]) -> Array:
    return np.stack([table[name] for name in names], axis=1)
