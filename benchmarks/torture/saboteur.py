"""symloss with an accident at one of its writes: `saboteur ACCIDENT N FILE COMMAND...`.

    killed-before, killed-half-way, killed-after    all of its processes are killed around the N-th write
    killed-unnamed, killed-named                    the same before and after the N-th file gets its name
    full                                            from the N-th write on there is no space
    none                                            nothing happens; FILE will hold how many writes there were

What writes run folders goes through one function of `symloss.archive.files`, which is replaced here. A write
is a line that is appended, or a file that is written under another name and gets its own in one step.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

from symloss.archive import files
from symloss.cli import main

KILLED = ("killed-before", "killed-half-way", "killed-after", "killed-unnamed", "killed-named")


class Saboteur:
    """Counts writes and new names, and has the accident at one of them."""

    def __init__(self, accident: str, number: int) -> None:
        self.accident, self.number, self.writes, self.names = accident, number, 0, 0
        self._write, self._replace = files._write_all, os.replace

    def install(self) -> None:
        files._write_all = self.write
        os.replace = self.replace  # type: ignore[assignment]

    def write(self, file: io.RawIOBase, data: bytes) -> None:
        """In the place of `_write_all`."""
        self.writes += 1
        if self.accident == "full" and self.writes >= self.number:
            self._write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        here = self.writes == self.number
        if here and self.accident == "killed-before":
            end()
        if here and self.accident == "killed-half-way":
            self._write(file, data[: len(data) // 2])
            end()
        self._write(file, data)
        if here and self.accident == "killed-after":
            end()

    def replace(self, source: Any, target: Any) -> None:
        """In the place of `os.replace`."""
        self.names += 1
        here = self.names == self.number
        if here and self.accident == "killed-unnamed":
            end()
        self._replace(source, target)
        if here and self.accident == "killed-named":
            end()


def end() -> None:
    """Kill this process and those that it has begun."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    accident, number, told, *command = sys.argv[1:]
    saboteur = Saboteur(accident, int(number))
    saboteur.install()
    try:
        main(command, prog_name="symloss")
    finally:
        if accident == "none":
            Path(told).write_text(f"{saboteur.writes} {saboteur.names}")
