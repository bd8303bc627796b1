"""Runs whose disk is full: they say so, and go on when there is space."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.torture.running import Row, Wholes, symloss, to_the_end
from benchmarks.torture.victims import Victim
from benchmarks.torture.writes import counted, sabotaged

RIGHT = "one sentence, then ends with the bytes of an untouched run"
PAGE = 4096


@contextlib.contextmanager
def small_disk(at: Path, size: int) -> Iterator[bool]:
    """A disk of so many bytes; False if none may be made here."""
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], capture_output=True, check=False
    )
    try:
        yield made.returncode == 0
    finally:
        if made.returncode == 0:
            subprocess.run(["umount", "--lazy", str(at)], check=True)
        at.rmdir()


def disk(victims: list[Victim], times: int, wholes: Wholes, folder: Path, rng: random.Random) -> list[Row]:
    """So many full disks, half of them real ones, dealt out to the victims."""
    each = -(-times // (2 * len(victims)))
    rows = []
    for victim in victims:
        rows += [_pretended(victim, each, wholes, folder, rng), _real(victim, each, wholes, folder, rng)]
    return [row for row in rows if row is not None]


def _pretended(victim: Victim, times: int, wholes: Wholes, folder: Path, rng: random.Random) -> Row:
    whole, right = wholes.of(victim), 0
    in_all, _ = counted(victim, folder, wholes)
    for index in range(times):
        out, number = folder / f"full-{index}", rng.randint(1, in_all)
        own = sabotaged(victim, out, wholes, "full", number)
        right += own.refused and _goes_on(victim, out, whole, wholes)
        print(f"{victim.name}: full from write {number} on: {_said(own.output)}; right: {right}", flush=True)
        shutil.rmtree(out)
    return Row(f"`symloss {victim.name}`, no space from one of its writes on", times, right, RIGHT)


def _goes_on(victim: Victim, out: Path, whole: Path, wholes: Wholes) -> bool:
    to_the_end(victim, out, wholes.materials)
    return not victim.differing(out, whole)


def _said(output: str) -> str:
    return " ".join(output.splitlines()[-1:])


def _real(victim: Victim, times: int, wholes: Wholes, folder: Path, rng: random.Random) -> Row | None:
    """On a disk with ballast that is thrown off when the run has failed."""
    whole, right, tried = wholes.of(victim), 0, 0
    pages = sum(-(-path.stat().st_size // PAGE) for path in whole.rglob("*") if path.is_file())
    size = 4 * pages * PAGE
    for index in range(times):
        at = folder / f"disk-{index}"
        with small_disk(at, size) as there:
            if not there:
                return None
            out, ballast = at / "run", at / "ballast"
            room = rng.randint(2, max(2, int(0.8 * pages))) * PAGE
            ballast.write_bytes(bytes(size - room))
            own = symloss(victim.command(out, wholes.materials))
            if own.code == 0:
                continue  # it had room enough
            ballast.unlink()
            tried += 1
            right += own.refused and _goes_on(victim, out, whole, wholes)
            print(f"{victim.name}: {room} bytes free: {_said(own.output)}; right: {right}", flush=True)
    return Row(f"`symloss {victim.name}` on a small disk (tmpfs)", tried, right, RIGHT)
