"""Where data files are looked for. They are fetched by `symloss data get`, never by a search."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from symloss.errors import TaskError
from symloss.reading.files import expanded

Found = TypeVar("Found")


def folders(name: str, data_dir: str | Path | None = None) -> list[Path]:
    """Folders that may have the data set `name`, the first one first."""
    given = expanded(data_dir, TaskError) if data_dir is not None else None
    found = [given, given / name] if given else []
    if os.environ.get("SYMLOSS_DATA"):
        found.append(expanded(os.environ["SYMLOSS_DATA"], TaskError) / name)
    return [*found, Path("~/.cache/symloss").expanduser() / name, Path("/usr/share/datasets") / name]


def store(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder in which a fetched data set is put, where a search with this `data_dir` finds it."""
    if data_dir is not None:
        return expanded(data_dir, TaskError) / name
    return folders(name)[0]


def located(
    name: str, data_dir: str | Path | None, find: Callable[[Path], Found | None], files: str, hint: str = ""
) -> tuple[Found, Path]:
    """What `find` finds in the first of `folders` that has it, and the folder.

    files, hint: what is looked for, and what else to try, for the TaskError if it is nowhere.
    """
    searched = folders(name, data_dir)
    for folder in searched:
        found = find(folder)
        if found is not None:
            return found, folder
    raise TaskError(
        f"no folder has the data set '{name}', searched {', '.join(map(str, searched))} for {files}{hint}; "
        f"fetch it with: symloss data get {name}, or name its folder by data_dir"
    )
