"""The same search with another number of workers, order of sets and files, terminal and folder."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.torture.running import TOP, Ended, Row, Wholes, ended, started, symloss, to_the_end
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
    found = 0
    for seed in range(times):
        assert _shuffled(command, seed).code == 0
        found += same()
    rows.append(Row("a search where files are listed in another order", times, found, RIGHT))
    return [*rows, _images(folder, times)]


def _shuffled(command: list[str], seed: int) -> Ended:
    """Run symloss where folders are listed in a random order."""
    return ended(started([str(seed), *command], module="benchmarks.torture.shuffled"))


def _images(folder: Path, times: int) -> Row:
    """Few-shot training on a user's folder of images, which is where a listing decides the most."""
    images, rng = folder / "images", np.random.default_rng(0)
    for number in range(12):
        (images / f"class {number}").mkdir(parents=True)
        for name in "abcde":
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(images / f"class {number}" / f"{name}.png")
    fewshot = next(own for own in VICTIMS if own.name == "fewshot train")
    victim = replace(fewshot, begin=f"{fewshot.begin} --dataset folder:{images}")
    whole, out = folder / "few", folder / "few-again"
    assert symloss(victim.command(whole, folder)).code == 0
    found = 0
    for seed in range(times):
        assert _shuffled(victim.command(out, folder), seed).code == 0
        found += int(not victim.differing(out, whole))
        shutil.rmtree(out)
    return Row("few-shot training on a folder of images, listed in another order", times, found, RIGHT)


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
