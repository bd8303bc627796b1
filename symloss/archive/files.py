"""Files that survive whatever kills the process that writes them.

Lines are appended and flushed to the disk; whole files are replaced in one step. A reader sees a whole file,
and of lines those that were ended.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from symloss.errors import RunError
from symloss.reading.files import json_value, read_bytes

T = TypeVar("T")

MAX_BYTES = 2**29
"""Largest file of a run that is read: a million candidates."""

MAX_STATE = 2**32
"""The same of the state of learned networks."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""A run folder may come from somebody else. A link in it could have us write into any other file."""


def append_lines(path: Path, rows: Iterable[Any]) -> None:
    """Append each of `rows` as a line of JSON. Raises RunError if that is impossible."""
    data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    before = None
    try:
        with _writable(path, os.O_CREAT | os.O_APPEND) as file:
            before = os.fstat(file.fileno()).st_size
            _write_all(file, data)
            os.fsync(file.fileno())
    except OSError as error:
        _cut(path, before)
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from error


def _writable(path: Path, how: int) -> io.FileIO:
    """A file of a run, opened for writing. Raises RunError if it is a link or no ordinary file."""
    if path.is_symlink() or (os.path.exists(path) and not os.path.isfile(path)):
        raise RunError(f"'{path}' is no ordinary file, so nothing is written to it; remove it")
    descriptor = os.open(path, os.O_WRONLY | how | NO_LINK | getattr(os, "O_BINARY", 0), 0o666)
    return io.FileIO(descriptor, "ab" if how & os.O_APPEND else "wb")


def truncate(path: Path, length: int) -> None:
    """Cut a file of a run. Raises RunError if that is impossible, or if it is a link."""
    try:
        with _writable(path, 0) as file:
            file.truncate(length)
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from error


def _write_all(file: io.RawIOBase, data: bytes) -> None:
    """Write all of `data`: a disk that is nearly full takes a part of it and refuses the rest."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _cut(path: Path, length: int | None) -> None:
    """Drop what a failed write left of its lines; a later sitting does so if it cannot be done now."""
    if length is not None:
        with suppress(OSError):
            os.truncate(path, length)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees either the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()  # what a killed process left, or a link of somebody else's
        with _writable(temporary, os.O_CREAT | os.O_EXCL) as file:
            _write_all(file, data)
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # a full disk needs its space
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from error


def read_file(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file. Raises RunError if it cannot be read, and for a device, which may have no end."""
    return read_bytes(path, "", most, RunError)


def read_lines(path: Path, row: type[T], length: int | None = None) -> list[T]:
    """The rows of a file of JSON lines, or of its first `length` bytes.

    A line is there once it is ended: what died while writing leaves a part of one behind.
    """
    texts = read_file(path)[:length].split(b"\n")[:-1]
    return [decode(f"{path}, line {number}", text, row, False) for number, text in enumerate(texts, start=1)]


def cut_unfinished_line(path: Path) -> int:
    """Drop the part of a line that a process left behind which died while writing it. The bytes dropped."""
    if not os.path.isfile(path):
        return 0  # writing to it will say what it is
    data = read_file(path)
    ended = data.rfind(b"\n") + 1
    if ended == len(data):
        return 0
    truncate(path, ended)
    return len(data) - ended


def decode(where: str, data: bytes, kind: type[T], whole: bool = True) -> T:
    """A value of `kind` from JSON. Raises RunError, which begins with `where`, if it is none.

    whole: whether it is a file of its own, in which no name may be given twice. In lines the last one counts:
           there are too many of them to look twice.
    """
    try:
        found = msgspec.json.decode(data, type=kind)
        if whole:
            json_value(data)
        return found
    except (msgspec.DecodeError, RecursionError, ValueError) as error:  # ValueError: it is not UTF-8
        raise RunError(f"'{where}' is damaged: {error}") from error
