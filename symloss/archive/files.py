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

T = TypeVar("T")


def append_lines(path: Path, rows: Iterable[Any]) -> None:
    """Append each of `rows` as a line of JSON. Raises RunError if that is impossible."""
    data = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    before = None
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            _write_all(file, data)
            os.fsync(file.fileno())
    except OSError as error:
        _cut(path, before)
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
        with temporary.open("wb", buffering=0) as file:
            _write_all(file, data)
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()  # a full disk needs its space
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises RunError if it cannot be read, and for a device, which may have no end."""
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"cannot read '{path}': it is not an ordinary file")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read '{path}': {error.strerror or error}") from error


def read_lines(path: Path, row: type[T], length: int | None = None) -> list[T]:
    """The rows of a file of JSON lines, or of its first `length` bytes.

    A line is there once it is ended: what died while writing leaves a part of one behind.
    """
    texts = read_file(path)[:length].split(b"\n")[:-1]
    return [decode(f"{path}, line {number}", text, row) for number, text in enumerate(texts, start=1)]


def cut_unfinished_line(path: Path) -> int:
    """Drop the part of a line that a process left behind which died while writing it. The bytes dropped."""
    if not path.is_file():
        return 0  # writing to it will say what it is
    data = read_file(path)
    ended = data.rfind(b"\n") + 1
    if ended == len(data):
        return 0
    try:
        os.truncate(path, ended)
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from error
    return len(data) - ended


def decode(where: str, data: bytes, kind: type[T]) -> T:
    """A value of `kind` from JSON. Raises RunError, which begins with `where`, if it is none."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RunError(f"'{where}' is damaged: {error}") from error
