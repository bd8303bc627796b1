"""Tables on disk as columns by name: CSV, TSV, NPZ and Parquet. Nothing in them is executed or unpickled.

A column is (n,): int64 if all of it are whole numbers, float64 with NaN where a number is missing, or text,
empty where it is missing.
"""

from __future__ import annotations

import csv
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.reading.arrays import read_arrays
from symloss.reading.files import check_ordinary, reason_of, shown_size

Columns = dict[str, NDArray[Any]]

NO_NUMBER = ("", "na", "n/a", "nan", "null", "none", "?")
"""What stands in a CSV file, in any case, where a number is missing."""

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""What stands between values in lines of text; semicolons and bars are recognised, and refused."""

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
"""Endings of packed files, which are refused too."""

MAX_BYTES = 2**34
"""Largest table that is read. It takes several times as much memory."""

MAX_LINE = 2**24
"""Longest line of a CSV file, in characters."""

MAX_COLUMNS = 100_000
"""Most columns; a chip for genes has half as many."""

MAX_LETTERS = 2**27
"""Longest text of a column times its rows: half a gigabyte as an array."""

ROOM = 2**30
"""Bytes that the values of any Parquet file may take, in which equal ones take almost nothing."""

RATIO = 200
"""How many times larger than their file they may be beyond that."""


def read_table(path: Path) -> Columns:
    """The columns of a table by the ending of its name: .csv, .tsv, .npz or .parquet.

    Raises: TaskError naming the file and, where there is one, the line or the column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        packed = "; unpack it" if path.suffix.lower() in PACKED else ""
        raise TaskError(
            f"{path} is no table that can be read: its name should end in {', '.join(READERS)}{packed}"
        )
    check_ordinary(path, "the table", MAX_BYTES, TaskError)
    try:
        columns = reader(path)
    except OSError as error:
        raise TaskError(f"cannot read {path}: {reason_of(error)}") from error
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


def _read_csv(path: Path, separator: str = ",") -> Columns:
    separated = f"values separated by {SEPARATORS[separator]}"
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(_lines(path, file), strict=True, delimiter=separator)
            names = next(reader, [])
            _check_separator(path, names, separated)
            for row in reader:
                if len(row) != len(names) and row:
                    raise TaskError(
                        f"{path}, line {reader.line_num}: found {len(row)} values for {len(names)} columns; "
                        f"expected {separated}, and quoted if they have one"
                    )
                if row:  # an empty line is no row
                    rows.append(row)
    except csv.Error as error:
        raise TaskError(f"{path}, line {reader.line_num}: {error}; expected {separated}") from None
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not text in UTF-8: {error.reason}; save it in that encoding") from None
    if names and not names[0].strip() and [row[0] for row in rows] == [str(i) for i in range(len(rows))]:
        names, rows = names[1:], [row[1:] for row in rows]  # the index that pandas writes unless told not to
    _check_names(path, names)
    return {name: _parsed(path, name, [row[i].strip() for row in rows]) for i, name in enumerate(names)}


def _check_separator(path: Path, names: list[str], separated: str) -> None:
    """Raise TaskError where the first line is one name that looks like several."""
    for sign, word in SEPARATORS.items():
        if len(names) == 1 and sign in names[0]:
            other = f"{path.stem}_commas.csv"
            anew = f"pandas.read_csv({path.name!r}, sep={sign!r}).to_csv({other!r}, index=False)"
            advice = "end its name in .tsv" if sign == "\t" else f"write it anew, with pandas: {anew}"
            if sign == ";":
                advice += "; where numbers have decimal commas, read_csv wants decimal=',' too"
            raise TaskError(f"{path} seems to be separated by {word}, expected {separated}; {advice}")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a text. Raises TaskError for what no table has; a file may be one line without an end."""
    for number in itertools.count(1):
        line = file.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE or "\0" in line:
            found = "a NUL" if "\0" in line else f"more than {MAX_LINE} characters"
            raise TaskError(f"{path}, line {number}: found {found}; expected lines of text")
        yield line


def _check_names(path: Path, names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise TaskError(f"{path} has {len(names)} columns, at most {MAX_COLUMNS} are read")
    known = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise TaskError(
                f"{path}: column {number} has no name; the first line should name every column "
                "(pandas leaves its index out by index=False)"
            )
        if name in known:
            raise TaskError(f"{path}: two columns are called '{name}'; rename one")
        known.add(name)


def _texts(path: Path, name: str, values: list[str]) -> NDArray[Any]:
    """Texts as an array, in which each takes as much memory as the longest."""
    _check_letters(path, name, max(map(len, values), default=0), len(values))
    return np.array(values, dtype=str)


def _check_letters(path: Path, name: str, longest: int, rows: int) -> None:
    if longest * rows > MAX_LETTERS:
        raise TaskError(
            f"{path}: column '{name}' has a text of {longest} characters in {rows} rows, too long for "
            "categories; take the column out of the file"
        )


def _parsed(path: Path, name: str, values: list[str]) -> NDArray[Any]:
    """Texts as numbers, if all are numbers or missing."""
    texts = _texts(path, name, values)
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


def _read_npz(path: Path) -> Columns:
    """Arrays (n,) are columns; the columns of an array x (n, k) are called x[0], x[1], ..."""
    expected = "expected arrays of numbers or text as numpy.savez writes them"
    columns: Columns = {}
    for name, array in read_arrays(path, TaskError, expected).items():
        columns |= _columns(path, name, array)
    return columns


def _columns(path: Path, name: str, array: NDArray[Any]) -> Columns:
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufU":
        raise TaskError(
            f"{path}: array '{name}' is {array.dtype} of shape {array.shape}, expected columns (n,) "
            "or (n, k) of numbers or text"
        )
    if array.ndim == 2 and array.shape[1] > MAX_COLUMNS:
        raise TaskError(
            f"{path}: array '{name}' has {array.shape[1]} columns, at most {MAX_COLUMNS} are read"
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
        from pyarrow import parquet, types
    except ImportError:
        raise TaskError(
            f"{path}: Parquet files are read by pyarrow, which is not installed; "
            "pip install 'symloss[tables]'"
        ) from None
    try:
        with path.open("rb") as opened:  # a file, and no folder of files
            schema = parquet.read_schema(opened)
            texts = [field.name for field in schema if types.is_string(field.type)]
            # Each different text once: a long one may stand in a million rows.
            file = parquet.ParquetFile(opened, read_dictionary=texts)
            _check_size(path, file.metadata)
            table = file.read(use_threads=False)
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise TaskError(f"{path} cannot be read: {reason_of(error)}; is it a Parquet file?") from error
    _check_names(path, list(table.column_names))
    return {name: _from_arrow(path, name, table.column(name)) for name in table.column_names}


def _check_size(path: Path, metadata: Any) -> None:
    groups = range(metadata.num_row_groups)
    unpacked = max(
        8 * metadata.num_rows * metadata.num_columns,
        sum(metadata.row_group(number).total_byte_size for number in groups),
    )
    size = path.stat().st_size
    if unpacked > max(ROOM, RATIO * size) or metadata.num_columns > MAX_COLUMNS:
        raise TaskError(
            f"{path} has {shown_size(size)} and announces {shown_size(unpacked)}, {metadata.num_rows} rows "
            f"of {metadata.num_columns} columns, which is too much to be read; take a part of it"
        )


def _from_arrow(path: Path, name: str, column: Any) -> NDArray[Any]:
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        if types.is_string(kind) or types.is_large_string(kind):
            return _from_codes(path, name, column)
        column = column.cast(kind)
    if types.is_string(kind) or types.is_large_string(kind):
        return _texts(path, name, ["" if text is None else text for text in column.to_pylist()])
    if types.is_boolean(kind) or types.is_integer(kind):
        if column.null_count == 0:
            return np.asarray(column.cast("int64").to_numpy(), np.int64)
    elif not (types.is_floating(kind) or types.is_decimal(kind)):
        raise TaskError(f"{path}: column '{name}' holds {kind}, expected numbers or text; convert or drop it")
    return np.asarray(compute.fill_null(column.cast("float64"), float("nan")).to_numpy(), np.float64)


def _from_codes(path: Path, name: str, column: Any) -> NDArray[Any]:
    """Texts of which the different ones stand in a dictionary."""
    whole = column.unify_dictionaries().combine_chunks()
    if hasattr(whole, "chunks"):  # what older versions make of it
        whole = whole.chunk(0)
    known = [text or "" for text in whole.dictionary.to_pylist()]
    longest = max(map(len, known), default=0)
    _check_letters(path, name, longest, len(column))
    codes = np.asarray(whole.indices.fill_null(len(known)).to_numpy(zero_copy_only=False), np.int64)
    return np.array([*known, ""], dtype=str)[codes]


READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": _read_csv,
    ".tsv": functools.partial(_read_csv, separator="\t"),
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
