"""Files that a run's settings name from where it was begun, found again from another folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote_plus

import msgspec

from symloss.config import Table
from symloss.errors import TaskError
from symloss.tasks.table_spec import PREFIX

_OTHER_FILES = re.compile(r"(?<=[?&])(valid|test)=([^&]+)")
"""The validation and the test data of a table, as its options name them."""


def found_again(
    settings: Mapping[str, Any], begun_in: str, given: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The settings `task`, `metric` and `data_dir` of a run, as far as other paths have to stand there.

    What is not in the current folder is looked for in `begun_in`, the folder from which the run was begun;
    nowhere else if that is not known, or is not named in full.
    given: settings that replace those of the run, and stand as they are.
    Raises TaskError for a file that is in neither.
    """
    if not os.path.isabs(begun_in):
        return {}
    place = _Place(Path(begun_in), {**settings, **given}.get("data_dir"), "data_dir" in given)
    makers = {"task": place.of_task, "metric": place.of_code, "data_dir": place.of_folder}
    own = {name: settings[name] for name in makers if isinstance(settings.get(name), str)}
    found = {name: makers[name](text) for name, text in own.items() if name not in given}
    return {name: text for name, text in found.items() if text != own[name]}


def relocated(config: Table, begun_in: str) -> Table:
    """A run's configuration with its files as they are found from the current folder."""
    return msgspec.structs.replace(config, **found_again(msgspec.structs.asdict(config), begun_in))


def here() -> str:
    """The current folder as a record can hold it; '' if it is gone or its name is not UTF-8."""
    try:
        folder = os.getcwd()
        folder.encode()
    except (OSError, UnicodeError):
        return ""
    return folder


class _Place:
    """The folder from which a run was begun, and the one in which tables are looked for first.

    given: whether the latter is named from the current folder.
    """

    def __init__(self, folder: Path, data_dir: object, given: bool) -> None:
        self.folder = folder
        self.data_dir: str | None = None
        if isinstance(data_dir, str):
            self.data_dir = os.path.expanduser(data_dir if given else self.of_folder(data_dir))

    def of_task(self, text: str) -> str:
        """A task in which files are named as they are found now."""
        if not text.startswith(PREFIX):
            return self.of_code(text)
        path, mark, options = text.removeprefix(PREFIX).partition("?")
        found = self._table(path)
        if "?" in found:
            raise TaskError(
                f"the table '{found}' has a ?, after which a task has its options, so it cannot be named "
                f"from here; go to '{self.folder}', where the run was begun"
            )
        others = _OTHER_FILES.sub(lambda own: f"{own[1]}={self._option(own[2])}", f"{mark}{options}")
        return f"{PREFIX}{found}{others}"

    def of_code(self, text: str) -> str:
        """A user's function `path/file.py:name`; any other text as it is."""
        source, colon, name = text.rpartition(":")
        return f"{self._file(source)}{colon}{name}" if source.endswith(".py") else text

    def of_folder(self, text: str) -> str:
        """A folder of data."""
        there = self.folder / text
        return str(there) if not os.path.exists(text) and os.path.isdir(there) else text

    def _option(self, text: str) -> str:
        path = unquote_plus(text)
        found = self._table(path)
        return text if found == path else quote(found)

    def _table(self, name: str) -> str:
        in_data = self.data_dir is not None and os.path.isfile(Path(self.data_dir, name))
        return name if in_data else self._file(name)

    def _file(self, name: str) -> str:
        there = self.folder / name
        if os.path.isabs(name) or name.startswith("~") or os.path.isfile(name):
            return name
        if os.path.isfile(there):
            return str(there)
        raise TaskError(
            f"the run was begun in '{self.folder}', and its file '{name}' is neither there nor in the "
            "current folder; put it back, or go to the folder from which it can be found"
        )
