"""Runs that are killed at random moments and continued by the command that a user would give."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

from benchmarks.torture.running import Row, Wholes, symloss, to_the_end
from benchmarks.torture.victims import Victim

RIGHT = "ends with the bytes of an untouched run"

AGAIN = 5
"""How often one run is killed, at most."""


def kills(victims: list[Victim], times: int, wholes: Wholes, folder: Path, rng: random.Random) -> list[Row]:
    """So many kills, dealt out to the victims."""
    each = -(-times // len(victims))
    return [_killed(victim, each, wholes, folder, rng) for victim in victims]


def _killed(victim: Victim, times: int, wholes: Wholes, folder: Path, rng: random.Random) -> Row:
    whole, number, tried, lost = wholes.of(victim), 0, 0, 0
    while tried < times:
        out = folder / f"killed-{number}"
        own = _tortured(victim, out, min(AGAIN, times - tried), wholes, rng)
        differing = victim.differing(out, whole)
        tried, number, lost = tried + own, number + 1, lost + bool(differing) * own
        shutil.rmtree(out)
        print(f"{victim.name}: {tried} kills in {number} runs; differing: {differing}", flush=True)
        assert number < 10 * times, "the victim ends before it can be killed"
    return Row(f"`symloss {victim.name}` killed in {number} runs", tried, tried - lost, RIGHT)


def _tortured(victim: Victim, out: Path, times: int, wholes: Wholes, rng: random.Random) -> int:
    """How often a run was killed until it was whole."""
    for killed in range(times):
        # Other workers and other orders of sets each time: neither may be seen in the result.
        environment = {"OMP_NUM_THREADS": rng.choice("12"), "PYTHONHASHSEED": str(rng.randrange(1000))}
        moment = rng.uniform(0.2, 1.0) * wholes.seconds[victim.name]
        own = symloss(victim.command(out, wholes.materials), moment, **environment)
        if own.code != -signal.SIGKILL:
            if not own.finished:
                raise RuntimeError(f"{victim.name} failed:\n{own.output}")
            return killed
    to_the_end(victim, out, wholes.materials, OMP_NUM_THREADS=rng.choice("12"))
    return times
