"""The same search with another number of workers, order of sets, terminal and working directory."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.torture.running import TOP, Row, Wholes, ended, started, symloss, to_the_end
from benchmarks.torture.victims import VICTIMS

RIGHT = "the same bytes"


def repeats(wholes: Wholes, folder: Path, times: int) -> list[Row]:
    """Each of these is compared with the same whole search."""
    search = VICTIMS[0]
    whole, out = wholes.of(search), folder / "repeated"
    command = search.command(out, wholes.materials)

    def same() -> int:
        differing = search.differing(out, whole)
        shutil.rmtree(out)
        print(f"repeated; differing: {differing}", flush=True)
        return int(not differing)

    rows = []
    for workers in (1, 2, 3):
        assert symloss(command, OMP_NUM_THREADS=str(workers)).code == 0
        rows.append(Row(f"a search with {workers} worker{'s' * (workers > 1)}", 1, same(), RIGHT))
    found = 0
    for seed in range(times):
        assert symloss(command, PYTHONHASHSEED=str(seed + 1)).code == 0
        found += same()
    rows.append(Row("a search with another PYTHONHASHSEED", times, found, RIGHT))
    _at_a_terminal(command)
    rows.append(Row("a search at a terminal", 1, same(), RIGHT))
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    assert ended(started(command, elsewhere)).code == 0
    rows.append(Row("a search in another working directory", 1, same(), RIGHT))
    assert symloss(command, wholes.seconds[search.name] * 0.7).code in (0, -9)
    to_the_end(search, out, wholes.materials, OMP_NUM_THREADS="1")
    rows.append(Row("a search in two processes, one after the other", 1, same(), RIGHT))
    return rows


def _at_a_terminal(command: list[str]) -> None:
    """Run symloss with a terminal as its output, and read what it draws."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "symloss", *command],
        env={**os.environ, "PYTHONPATH": str(TOP), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    drawn = b""
    try:
        while data := os.read(here, 65536):
            drawn += data
    except OSError:
        pass  # Linux says so when the last writer is gone
    os.close(here)
    assert process.wait() == 0, drawn.decode(errors="replace")
    assert b"\x1b[" in drawn, "nothing was drawn as for a terminal"
