"""Arrays in NPZ files, which may be made to do harm: small archives of very large arrays, false headers."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from symloss.errors import SymlossError
from symloss.reading.files import check_ordinary, cut, reason_of, shown_size

ROOM = 2**28
"""Bytes that the arrays of any file may have together."""

RATIO = 20
"""How many times larger than their file they may be beyond that. Images shrink to a half, glyphs to a tenth;
zeros to a thousandth, which is what bombs are made of."""

MAX_BYTES = 2**36
"""Largest file. It takes as much memory, so that this is far beyond what anybody has."""

MAX_ARRAYS = 10_000
"""Most arrays of a file."""


def read_arrays(
    path: Path, error: type[SymlossError], expected: str, wanted: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file by name, only those `wanted` if that is given. Nothing is unpickled.

    expected: how the sentence of an `error` ends: what the file should have been.
    """
    size = check_ordinary(path, "", MAX_BYTES, error)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = _members(archive, size, wanted)
            return {name: _array(archive, member) for name, member in members.items()}
    except Exception as fault:  # zipfile, zlib and NumPy have many for what is none, or is damaged
        raise error(f"{path} cannot be read: {reason_of(fault)}; {expected}") from None


def _members(
    archive: zipfile.ZipFile, size: int, wanted: Collection[str] | None
) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by the names of their arrays. Raises ValueError if they are too large."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"it has two arrays called '{name}'")
        if member.filename.endswith(".npy") and (wanted is None or name in wanted):
            found[name] = member
    if len(found) > MAX_ARRAYS:
        raise ValueError(f"it has {len(found)} arrays, at most {MAX_ARRAYS} are read")
    unpacked = sum(member.file_size for member in found.values())  # zipfile reads no more than it says here
    if unpacked > max(ROOM, RATIO * size):
        raise ValueError(f"its {shown_size(size)} would become {shown_size(unpacked)} of arrays")
    return found


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """An array whose header tells the truth: NumPy would take memory for whatever it announces."""
    with archive.open(member) as file:
        shape, dtype = _header(file)
    count: int = math.prod(shape)
    size = count * dtype.itemsize
    if min(shape, default=0) < 0 or size > member.file_size or (not size and count):
        raise ValueError(f"'{cut(member.filename)}' announces more than it has: {dtype} of shape {shape}")
    with archive.open(member) as file:
        found: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return found


def _header(file: IO[bytes]) -> tuple[Any, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an array is of the version {version[0]}.{version[1]} of NumPy's format")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it has Python objects, which are pickled and not read")
    return shape, dtype


_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,  # a later version is for names of columns that are not ASCII
}
