"""The folder of a run for which none was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from symloss.archive.holding import make_folder
from symloss.errors import RunError

RUNS = Path("runs")


@contextmanager
def chosen_folder(out: Path | None, stem: str) -> Iterator[Path]:
    """The folder that was given, or the first of runs/STEM-1, runs/STEM-2, ... that does not exist.

    The latter is made at once, so that no process that is started meanwhile takes it, too, and removed again
    if nothing is put into it.
    """
    if out is not None:
        yield out
        return
    folder = _next_folder(stem)
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()  # refused unless it is empty


def _next_folder(stem: str) -> Path:
    make_folder(RUNS)
    number = 1
    while True:
        folder = RUNS / f"{stem}-{number}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RunError(f"cannot write the folder '{folder}': {error.strerror or error}") from error
