"""Kills runs at random moments, goes on with them, and compares what they end with: docs/reliability.md.

    python -m benchmarks.torture                  50 kills, writes docs/reliability.md
    python -m benchmarks.torture --kills 4 --no-page

A run is killed (SIGKILL to all of its processes, so that nothing of it can tidy up) again and again, each
time at another moment, and continued by the command that a user would give. In the end its files have to be
those of a run that nobody touched, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from symloss.benchmark.machine import machine

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "docs" / "reliability.md"

SEARCH = (
    "--task digits --model linear --train-size 300 --population 8 --generations 4 --set training.steps=60 "
    "--set tuning.steps=10 --set finalists.count=2 --set training.network=chain "
    "--set training.models_at_once=2"
).split()
EVALUATE = (
    "focal --against mae-probability --task digits --model linear --train-size 300 --seeds 8 "
    "--choosing-seeds 2 --steps 100 --set training.network=chain --set training.models_at_once=2"
).split()


@dataclass(frozen=True)
class Victim:
    """What is killed. begin, go_on: commands; compared: the files that have to come out the same."""

    name: str
    begin: tuple[str, ...]
    compared: tuple[str, ...]
    record: str

    def command(self, out: Path) -> list[str]:
        """How to begin, or to go on with what is there."""
        if (out / self.record).exists():
            return ["resume", str(out)]
        return [*self.begin, "--out", str(out)]


VICTIMS = (
    Victim(
        "search",
        ("search", *SEARCH),
        ("grammar.grammar", "candidates.jsonl", "candidates.csv", "finalists.jsonl"),
        "run.json",
    ),
    Victim("evaluate", ("evaluate", *EVALUATE), ("evaluation.json", "trials.jsonl"), "evaluation.json"),
)


@dataclass
class Tally:
    """What was tried, and what was found to be wrong."""

    kills: int = 0
    runs: int = 0
    seconds: float = 0.0
    lost: int = 0


def started(command: list[str], **environment: str) -> subprocess.Popen[bytes]:
    """The command line of symloss in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "symloss", *command],
        env={**os.environ, "PYTHONPATH": str(TOP), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def to_the_end(command: list[str], **environment: str) -> float:
    """Seconds that a command took. Raises RuntimeError if it fails."""
    began = time.monotonic()
    process = started(command, **environment)
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"symloss {' '.join(command)} failed:\n{output.decode()}")
    return time.monotonic() - began


def killed_after(command: list[str], seconds: float, **environment: str) -> bool:
    """Whether the process was still running when it was killed."""
    process = started(command, **environment)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise RuntimeError(f"symloss {' '.join(command)} failed:\n{output.decode()}")
    return False


def is_finished(out: Path) -> bool:
    """Whether a search is, which then cannot be resumed; an evaluation always can."""
    state = out / "state.json"
    return state.exists() and bool(json.loads(state.read_text())["finished"])


def torture(victim: Victim, kills: int, folder: Path, rng: random.Random) -> Tally:
    """Kill a victim so often in all, each run of it a few times, and compare."""
    tally = Tally()
    whole = folder / f"{victim.name}-whole"
    tally.seconds = to_the_end(victim.command(whole), PYTHONHASHSEED="0")
    while tally.kills < kills:
        out = folder / f"{victim.name}-{tally.runs}"
        for _ in range(min(5, kills - tally.kills)):
            # Other workers and other orders of sets each time: neither may be seen in the result.
            environment = {"OMP_NUM_THREADS": rng.choice("12"), "PYTHONHASHSEED": str(rng.randrange(1000))}
            if not killed_after(victim.command(out), rng.uniform(0.2, 1.0) * tally.seconds, **environment):
                break
            tally.kills += 1
            if is_finished(out):  # killed when all was written, before it had said so
                break
        else:
            to_the_end(victim.command(out), OMP_NUM_THREADS=rng.choice("12"))
        tally.runs += 1
        for name in victim.compared:
            tally.lost += (out / name).read_bytes() != (whole / name).read_bytes()
        shutil.rmtree(out)
        print(
            f"{victim.name}: {tally.kills} kills in {tally.runs} runs, {tally.lost} files differ", flush=True
        )
    return tally


def page(tallies: dict[str, Tally], words: str) -> str:
    """The page with what was found."""
    rows = [f"| `symloss {name}` | {own.kills} | {own.runs} | {own.lost} |" for name, own in tallies.items()]
    return "\n".join(
        [
            "# Runs that survive",
            "",
            f"Written by `{words}` on {machine()}.",
            "",
            "Each run was killed (SIGKILL to all of its processes) up to five times at random moments, with",
            "one or two workers and another PYTHONHASHSEED each time, continued with `symloss resume`, and",
            "its files compared byte for byte with those of a run that nobody touched.",
            "",
            "| command | kills | runs | files that differ |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-page", action="store_true")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        each = -(-given.kills // len(VICTIMS))
        tallies = {own.name: torture(own, each, Path(folder), rng) for own in VICTIMS}
    words = f"python -m benchmarks.torture --kills {given.kills} --seed {given.seed}"
    if not given.no_page:
        PAGE.write_text(page(tallies, words))
    sys.exit(any(own.lost for own in tallies.values()))


if __name__ == "__main__":
    main()
