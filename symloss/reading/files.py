"""Bytes, text and JSON of files that may be anything: a device, a pipe, endless, or made to do harm.

Each reader takes the class of the error that it raises, and what the file is, such as "the suite".
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, NoReturn

from symloss.errors import SymlossError

MAX_TEXT = 4 * 2**20
"""Largest text that a user writes, or that is written for one, in bytes: formulas, settings, code."""

MAX_DIGITS = 400
"""Longest number in JSON: more digits than any float has, and few enough to be read at once."""


def check_ordinary(path: Path, what: str, most: int, error: type[SymlossError]) -> int:
    """The bytes of a file. Raises `error` unless it is an ordinary one and has at most `most`.

    Asked before it is opened: opening a pipe that nobody writes to would never end, nor reading a device.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as fault:  # a name with a NUL is a ValueError
        raise error(f"cannot read {_named(path, what)}: {reason_of(fault)}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = "it is a directory" if stat.S_ISDIR(found.st_mode) else "it is not an ordinary file"
        raise error(f"cannot read {_named(path, what)}: {kind}")
    if found.st_size > most:
        raise _too_large(path, what, most, error)
    return found.st_size


def read_bytes(path: Path, what: str, most: int, error: type[SymlossError]) -> bytes:
    """The bytes of an ordinary file, at most `most`. Raises `error` in one sentence."""
    check_ordinary(path, what, most, error)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)  # never more, whatever size the file claimed to have
    except OSError as fault:
        raise error(f"cannot read {_named(path, what)}: {reason_of(fault)}") from None
    if len(data) > most:
        raise _too_large(path, what, most, error)
    return data


def reason_of(fault: Exception) -> str:
    """Why a library could not read a file, in one line."""
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    return cut((str(fault).splitlines() or [type(fault).__name__])[0], 300)


def _too_large(path: Path, what: str, most: int, error: type[SymlossError]) -> SymlossError:
    limit = f"{most} bytes" if most % 1024 else shown_size(most)
    return error(f"{_named(path, what)} is larger than {limit}, the most that is read here")


def _named(path: Path, what: str) -> str:
    return f"{what} '{cut(str(path), 1000)}'".replace("\0", "\\0").strip()


def read_text(path: Path, what: str, error: type[SymlossError], most: int = MAX_TEXT) -> str:
    """The text of an ordinary file in UTF-8, with line breaks as Python has them."""
    try:
        text = read_bytes(path, what, most, error).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"cannot read {what} '{path}': it is not text in UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown_size(count: int) -> str:
    """A number of bytes in words."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


def expanded(path: str | Path, error: type[SymlossError]) -> Path:
    """A path with ~ replaced. Raises `error` where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise error(f"the path '{path}' names a user that is not known here; write it out") from None


# --- JSON -----------------------------------------------------------------------------------------


def json_value(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError with the reason for what is none, or could be read in two ways.

    A name that is given twice, NaN and infinity are refused, and numbers that are not finite as floats.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=once,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_real,
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as a dictionary. Raises ValueError if a name occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {cut(twice)!a} is given twice")
    return found


def cut(text: str, length: int = 60) -> str:
    """`text`, or its beginning."""
    return text if len(text) <= length else f"{text[:length]}..."


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} digits, at most {MAX_DIGITS} are read")
    return int(text)


def _real(text: str) -> float:
    value = float(text) if len(text) <= MAX_DIGITS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {cut(text)} is too large or too long")
    return value
