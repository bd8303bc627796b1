"""symloss on a file system that lists its files in a random order: `shuffled SEED COMMAND...`.

Every listing of a folder comes in another order, also of the same folder twice.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from typing import Any

from symloss.cli import main

_listdir, _scandir = os.listdir, os.scandir


class Scan:
    """What `os.scandir` gives, in another order."""

    def __init__(self, rng: random.Random, arguments: Any) -> None:
        with _scandir(*arguments) as found:
            self._entries = list(found)
        rng.shuffle(self._entries)

    def __enter__(self) -> Iterator[Any]:
        return iter(self)

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def close(self) -> None:
        self._entries = []


def install(seed: int) -> None:
    """Shuffle what `os.listdir` and `os.scandir` find, on which `pathlib` and `glob` are built."""
    rng = random.Random(seed)

    def listdir(*arguments: Any) -> list[Any]:
        found: list[Any] = _listdir(*arguments)
        rng.shuffle(found)
        return found

    os.listdir = listdir  # type: ignore[assignment]
    os.scandir = lambda *arguments: Scan(rng, arguments)  # type: ignore[assignment]


if __name__ == "__main__":
    install(int(sys.argv[1]))
    main(sys.argv[2:], prog_name="symloss")
