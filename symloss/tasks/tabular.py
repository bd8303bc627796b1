"""Data sets from columns: a user's table, `table:FILE?target=COLUMN`, and published ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError, did_you_mean
from symloss.reading.files import expanded
from symloss.records import Kind
from symloss.tasks.dataset import Dataset
from symloss.tasks.encoding import encoder, kinds, structured
from symloss.tasks.table_spec import TableSpec, parse_table_spec
from symloss.tasks.tables import Columns, gaps, read_table
from symloss.tasks.targets import Encoded, apart, encoded, kind_of

MAX_CATEGORIES = 256
"""Most different texts of a column; a column with more holds names rather than categories."""

Array = NDArray[Any]


def user_table(text: str, data_dir: str | Path | None = None) -> Dataset:
    """The data set of `table:FILE?...`. A relative path is looked for in `data_dir` first.

    Raises: TaskError naming the file and the column.
    """
    spec = parse_table_spec(text)
    wanted = {"train": spec.path, "valid": spec.valid, "test": spec.test}
    paths = {part: _existing(path, data_dir) for part, path in wanted.items() if path is not None}
    notes = (f"read from {' and '.join(map(str, paths.values()))}",)
    if len(set(paths.values())) < len(paths):
        raise TaskError(f"task '{text}' names one file twice; training, validation and test data must differ")
    files = {part: (path, read_table(path)) for part, path in paths.items()}
    return from_columns(paths["train"].stem, files, spec, notes)


def _existing(path: Path, data_dir: str | Path | None) -> Path:
    path = expanded(path, TaskError)
    tried = [*([expanded(data_dir, TaskError) / path] if data_dir is not None else []), path]
    found = next((place for place in tried if os.path.isfile(place)), None)
    if found is None:
        raise TaskError(f"there is no table {' or '.join(str(place.absolute()) for place in tried)}")
    return found.absolute()


def from_columns(
    name: str, files: Mapping[str, tuple[Path, Columns]], spec: TableSpec, notes: tuple[str, ...]
) -> Dataset:
    """A data set of the columns of the file "train", and of those of "valid" and "test" if there are any."""
    tables = list(files.values())
    for path, columns in tables:
        _check_columns(path, columns, spec)
    path, first = files["train"]
    _check_same(tables, spec)
    features = [column for column in first if column not in (*spec.target, *spec.drop)]
    if not features:
        raise TaskError(f"{path} has no column left to predict from; found {', '.join(first)}")
    joined = {column: np.concatenate([table[column] for _, table in tables]) for column in first}
    for column in features:
        _check_feature(path, column, joined[column], spec)
    kind, targets = _targets(path, first, joined, spec)
    x = structured({column: joined[column] for column in features})
    sizes = [len(next(iter(columns.values()))) for _, columns in tables]
    each = apart(targets, sizes, [str(other) for other, _ in tables], kind)
    parts = dict(zip(files, zip(np.split(x, np.cumsum(sizes)[:-1]), each, strict=True), strict=True))
    return Dataset(
        name,
        kind,
        *parts["train"],
        targets.outputs,
        official_valid=parts.get("valid"),
        official_test=parts.get("test"),
        encode=encoder,
        metric="mse" if kind is Kind.REGRESSION else "error",
        notes=(*notes, *targets.notes, *_described(x)),
        labels=targets.labels,
        positive=targets.positive,
    )


def _check_columns(path: Path, columns: Columns, spec: TableSpec) -> None:
    for column in (*spec.target, *spec.drop):
        if column not in columns:
            raise TaskError(f"{path} has no column '{column}'; {did_you_mean(column, columns)}")
    for column in spec.target:
        count = gaps(columns[column])
        if count:
            raise TaskError(f"{path}: the target '{column}' is missing in {count} rows; leave these rows out")


def _check_same(files: Sequence[tuple[Path, Columns]], spec: TableSpec) -> None:
    path, first = files[0]
    for other, columns in files[1:]:
        for name in first:
            if name in spec.drop:
                continue
            if name not in columns:
                raise TaskError(f"{other} has no column '{name}', which {path} has; both need the same")
            kinds = [
                "text" if column.dtype.kind == "U" else "numbers" for column in (first[name], columns[name])
            ]
            if len(set(kinds)) > 1:
                raise TaskError(f"column '{name}' holds {kinds[0]} in {path} and {kinds[1]} in {other}")


def _check_feature(path: Path, name: str, column: Array, spec: TableSpec) -> None:
    missing = gaps(column)
    if missing == len(column):
        raise TaskError(f"{path}: column '{name}' is empty; leave it out with drop={name}")
    if missing and spec.missing is None:
        raise TaskError(
            f"{path}: column '{name}' has {missing} missing values; leave it out with drop={name}, or fill "
            "such gaps with missing=mean"
        )
    different = len(np.unique(column)) if column.dtype.kind == "U" else 0
    if different > MAX_CATEGORIES:
        raise TaskError(
            f"{path}: column '{name}' has {different} different texts, at most {MAX_CATEGORIES} are taken "
            f"for categories; leave it out with drop={name}"
        )


def _targets(path: Path, train: Columns, columns: Columns, spec: TableSpec) -> tuple[Kind, Encoded]:
    """The targets of all parts, and their kind, which those for training decide."""
    several = len(spec.target) > 1
    values = [columns[name] for name in spec.target]
    kind = spec.kind or (Kind.REGRESSION if several else kind_of(train[spec.target[0]]))
    if several and kind is not Kind.REGRESSION:
        raise TaskError(f"{path}: {len(spec.target)} targets are for regression only, found {kind.value}")
    for name, column in zip(spec.target, values, strict=True):
        if kind is Kind.REGRESSION and column.dtype.kind == "U":
            raise TaskError(
                f"{path}: the target '{name}' holds text such as {_first_text(column)}, expected numbers "
                "for a regression task"
            )
    try:
        return kind, encoded(np.column_stack(values) if several else values[0], kind, spec.positive)
    except TaskError as error:
        raise TaskError(f"{path}, target '{spec.target[0]}': {error}") from None


def _first_text(column: Array) -> str:
    """The first value that is no number, and where it stands."""
    for row, value in enumerate(column.tolist(), start=1):
        try:
            float(value)
        except ValueError:
            if value:
                return f"{value[:40]!r} in row {row}"
    return "missing values"


def _described(table: Array) -> tuple[str, ...]:
    numbers, texts = kinds(table)
    filled = [name for name in (*numbers, *texts) if gaps(table[name])]
    notes = (f"categories one-hot encoded: {', '.join(texts)}",) if texts else ()
    return (*notes, *((f"missing values filled: {', '.join(filled)}",) if filled else ()))
