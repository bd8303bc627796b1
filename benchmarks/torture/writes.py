"""Runs that are killed in the middle of a write."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

from benchmarks.torture.kills import RIGHT
from benchmarks.torture.running import Ended, Row, Wholes, ended, started, to_the_end
from benchmarks.torture.saboteur import KILLED
from benchmarks.torture.victims import Victim


def sabotaged(victim: Victim, out: Path, wholes: Wholes, accident: str, number: int) -> Ended:
    """How a victim ends that has an accident at one of its writes."""
    command = [accident, str(number), str(out.parent / "told"), *victim.command(out, wholes.materials)]
    return ended(started(command, module="benchmarks.torture.saboteur"))


def counted(victim: Victim, folder: Path, wholes: Wholes) -> tuple[int, int]:
    """How many writes a whole run has, and how many files get their names."""
    out = folder / "counted"
    own = sabotaged(victim, out, wholes, "none", 0)
    assert own.code == 0, own.output
    assert not victim.differing(out, wholes.of(victim))
    shutil.rmtree(out)
    writes, names = (folder / "told").read_text().split()
    return int(writes), int(names)


def writes(victims: list[Victim], times: int, wholes: Wholes, folder: Path, rng: random.Random) -> list[Row]:
    """So many kills, dealt out to the victims, and in turns to the moments of a write."""
    each = -(-times // len(victims))
    return [_killed(victim, each, wholes, folder, rng) for victim in victims]


def _killed(victim: Victim, times: int, wholes: Wholes, folder: Path, rng: random.Random) -> Row:
    whole, same = wholes.of(victim), 0
    in_all = counted(victim, folder, wholes)
    for index in range(times):
        accident, out = KILLED[index % len(KILLED)], folder / f"written-{index}"
        number = rng.randint(1, in_all[accident.endswith("named")])
        own = sabotaged(victim, out, wholes, accident, number)
        assert own.code == -signal.SIGKILL, own.output
        to_the_end(victim, out, wholes.materials)
        differing = victim.differing(out, whole)
        same += not differing
        shutil.rmtree(out)
        print(f"{victim.name}: {accident} at {number}; differing: {differing}", flush=True)
    what = f"`symloss {victim.name}` killed before, within and after one of its {in_all[0]} writes"
    return Row(what, times, same, RIGHT)
