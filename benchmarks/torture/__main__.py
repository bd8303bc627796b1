"""Kills runs, damages their files, fills their disk and loads them; writes docs/reliability.md.

python -m benchmarks.torture                                   all parts
python -m benchmarks.torture --part kills --kills 6 --no-page  a few kills, for oneself
python -m benchmarks.torture --part kills --victims search     of searches alone
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.torture.corruption import corruption, together
from benchmarks.torture.disk import disk
from benchmarks.torture.kills import kills
from benchmarks.torture.load import load
from benchmarks.torture.page import fuzzed, remember
from benchmarks.torture.repeats import repeats
from benchmarks.torture.running import Row, Wholes
from benchmarks.torture.victims import chosen
from benchmarks.torture.writes import writes
from symloss.benchmark.machine import machine

PARTS = ("kills", "writes", "disk", "corruption", "repeats", "load")
DAMAGED = ("search", "evaluate", "train-loss", "fewshot train")
"""Victims with files of their own kinds; the others are made of these."""

FUZZ = "python -m benchmarks.fuzz --engine ENGINE --json FILE"
"""What writes the file that `--fuzz` takes; engines stand in its rows."""


def run_part(part: str, given: argparse.Namespace, wholes: Wholes, folder: Path) -> list[Row]:
    """The rows of a part."""
    rng, victims = random.Random(given.seed), chosen(given.victims)
    if part == "kills":
        return kills(victims, given.kills, wholes, folder, rng)
    if part == "writes":
        return writes(victims, given.writes, wholes, folder, rng)
    if part == "disk":
        return disk(victims, given.disks, wholes, folder, rng)
    if part == "corruption":
        names = tuple(own.name for own in victims if own.name in DAMAGED)
        return [*corruption(wholes, folder, names), together(wholes, folder)]
    if part == "repeats":
        return repeats(wholes, folder, given.repeats)
    return load(wholes, folder, given.generations, given.population, given.candidates)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--victims", default="", metavar="NAMES", help="only these commands, by commas")
    parser.add_argument("--kills", type=int, default=60, help="at random moments, in all")
    parser.add_argument("--writes", type=int, default=60, help="kills within a write, in all")
    parser.add_argument("--disks", type=int, default=24, help="full disks, in all")
    parser.add_argument("--repeats", type=int, default=4, help="other values of PYTHONHASHSEED")
    parser.add_argument("--generations", type=int, default=1000, help="over which memory is looked at")
    parser.add_argument("--population", type=int, default=1000, help="of the large search")
    parser.add_argument("--candidates", type=int, default=10_000, help="in the archive that is opened")
    parser.add_argument("--fuzz", type=Path, metavar="FILE", help="include what benchmarks.fuzz wrote")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-page", action="store_true")
    given = parser.parse_args()
    words = shlex.join(["python", "-m", "benchmarks.torture", *sys.argv[1:]])
    lost = 0
    with tempfile.TemporaryDirectory() as top:
        wholes = Wholes(Path(top))
        for part in given.part or PARTS:
            folder, began = Path(top) / part, time.monotonic()
            folder.mkdir()
            rows = run_part(part, given, wholes, folder)
            for row in rows:
                print(f"{row.what}: {row.right} of {row.tried}: {row.answer}", flush=True)
            print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
            lost += sum(row.tried - row.right for row in rows)
            if not given.no_page:
                remember(part, words, machine(), [asdict(row) for row in rows])
    if given.fuzz:
        remember("fuzz", FUZZ, machine(), fuzzed(given.fuzz))
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
