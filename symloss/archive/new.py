"""Whether a folder can be made, or is somebody's already."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from symloss.archive.holding import LOCK
from symloss.errors import RunError
from symloss.escaping import pasted


def check_new(
    path: Path,
    empty: Collection[str],
    begun: Collection[str],
    is_run: Callable[[Path], bool],
    what: str = "a run",
) -> None:
    """Raise RunError, in one sentence, unless a folder is missing, empty, or left by a maker that was killed.

    empty:  files that are made first, with nothing in them. begun: what is written next, maybe a part of it.
    is_run: whether there is something that `symloss resume` goes on with.
    """
    if os.path.exists(path) and not os.path.isdir(path):
        raise RunError(f"'{path}' is a file; {what} needs a folder: choose another --out")
    try:
        taken = os.path.isdir(path) and not _is_unmade(path, empty, begun)
    except OSError as error:
        raise RunError(f"cannot read the folder '{path}': {error.strerror or error}") from error
    if taken:
        advice = f", or go on with it: symloss resume {pasted(path)}" if is_run(path) else ""
        raise RunError(f"'{path}' exists and is not empty; choose another --out{advice}")


def _is_unmade(folder: Path, empty: Collection[str], begun: Collection[str]) -> bool:
    found = {own.name for own in folder.iterdir()} - {LOCK}
    if not found <= {*empty, *begun}:
        return False
    if found & set(begun) and not found >= set(empty):
        return False  # those come first: this is somebody's own
    return all((folder / name).stat().st_size == 0 for name in found.intersection(empty))
