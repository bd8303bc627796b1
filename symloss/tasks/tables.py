"""Tables on disk as columns by name: CSV, NPZ and Parquet. Nothing in them is executed or unpickled.

A column is (n,): int64 if all of it are whole numbers, float64 with NaN where a number is missing, or text,
empty where it is missing.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError

Columns = dict[str, NDArray[Any]]

NO_NUMBER = ("", "na", "n/a", "nan", "null", "none", "?")
"""What stands in a CSV file, in any case, where a number is missing."""


def read_table(path: Path) -> Columns:
    """The columns of a table by the ending of its name: .csv, .npz or .parquet.

    Raises: TaskError naming the file and, where there is one, the line or the column.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(f"{path} is no table that can be read: its name should end in {', '.join(_READERS)}")
    try:
        columns = reader(path)
    except OSError as error:
        raise TaskError(f"cannot read {path}: {error.strerror or error}") from error
    _check(path, columns)
    return columns


def gaps(column: NDArray[Any]) -> int:
    """How many values are missing."""
    if column.dtype.kind == "U":
        return int((column == "").sum())
    return int(np.isnan(column).sum()) if column.dtype.kind == "f" else 0


def _check(path: Path, columns: Columns) -> None:
    if not columns or not len(next(iter(columns.values()))):
        raise TaskError(f"{path} has no rows; a table needs column names and rows")
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise TaskError(f"{path} has columns of different lengths: {rows}; all need the same")
    for name, column in columns.items():
        if column.dtype.kind == "f" and np.isinf(column).any():
            raise TaskError(f"{path}: column '{name}' has infinite values; replace or drop them")


def _read_csv(path: Path) -> Columns:
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            for row in reader:
                if len(row) != len(names) and row:
                    raise TaskError(
                        f"{path}, line {reader.line_num}: found {len(row)} values for {len(names)} columns; "
                        "values are separated by commas, and quoted if they have one"
                    )
                if row:  # an empty line is no row
                    rows.append(row)
    except csv.Error as error:
        raise TaskError(
            f"{path}, line {reader.line_num}: {error}; expected values separated by commas"
        ) from None
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not text in UTF-8: {error.reason}; save it in that encoding") from None
    _check_names(path, names)
    return {name: _parsed([row[i].strip() for row in rows]) for i, name in enumerate(names)}


def _check_names(path: Path, names: list[str]) -> None:
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise TaskError(f"{path}: column {number} has no name; the first line should name every column")
        if name in names[: number - 1]:
            raise TaskError(f"{path}: two columns are called '{name}'; rename one")


def _parsed(values: list[str]) -> NDArray[Any]:
    """Texts as numbers, if all are numbers or missing."""
    texts = np.array(values)
    missing = np.isin(np.char.lower(texts), NO_NUMBER) if len(texts) else np.zeros(0, bool)
    if missing.all():
        return np.full(len(texts), np.nan) if len(texts) else texts
    try:
        numbers = np.full(len(texts), np.nan)
        numbers[~missing] = texts[~missing].astype(np.float64)
    except ValueError:
        return texts
    if missing.any():
        return numbers
    try:
        return texts.astype(np.int64)
    except (ValueError, OverflowError):
        return numbers


_DAMAGE = (ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises for a file that is no archive of arrays, or one of Python objects."""


def _read_npz(path: Path) -> Columns:
    """Arrays (n,) are columns; the columns of an array x (n, k) are called x[0], x[1], ..."""
    columns: Columns = {}
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            for name in arrays.files:
                columns |= _columns(path, name, arrays[name])
    except _DAMAGE as error:
        raise TaskError(
            f"{path} cannot be read: {error}; expected arrays of numbers or text as numpy.savez writes them"
        ) from error
    return columns


def _columns(path: Path, name: str, array: NDArray[Any]) -> Columns:
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufU":
        raise TaskError(
            f"{path}: array '{name}' is {array.dtype} of shape {array.shape}, expected columns (n,) "
            "or (n, k) of numbers or text"
        )
    plain = array
    if array.dtype.kind != "U":
        plain = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if plain.ndim == 1:
        return {name: plain}
    return {f"{name}[{number}]": column for number, column in enumerate(plain.T)}


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise TaskError(
            f"{path}: Parquet files are read by pyarrow, which is not installed; "
            "pip install 'symloss[tables]'"
        ) from None
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise TaskError(f"{path} cannot be read: {error}; is it a Parquet file?") from error
    _check_names(path, list(table.column_names))
    return {name: _from_arrow(path, name, table.column(name)) for name in table.column_names}


def _from_arrow(path: Path, name: str, column: Any) -> NDArray[Any]:
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(["" if text is None else text for text in column.to_pylist()])
    if types.is_boolean(kind) or types.is_integer(kind):
        if column.null_count == 0:
            return np.asarray(column.cast("int64").to_numpy(), np.int64)
    elif not (types.is_floating(kind) or types.is_decimal(kind)):
        raise TaskError(f"{path}: column '{name}' holds {kind}, expected numbers or text; convert or drop it")
    return np.asarray(compute.fill_null(column.cast("float64"), float("nan")).to_numpy(), np.float64)


_READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": _read_csv,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
