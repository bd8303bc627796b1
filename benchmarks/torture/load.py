"""Large archives, long searches, many searches at once, large populations, many classes: numbers."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from benchmarks.torture.running import Row, Wholes, ended, started, symloss
from benchmarks.torture.victims import NETWORKS, VICTIMS
from symloss.archive import RunFolder
from symloss.config import resolve
from symloss.expr import Expr
from symloss.expr.expression import constants_of, with_constants
from symloss.making import grammar_of
from symloss.records import Candidate, Kind, Score, Status, SymbolicLoss
from symloss.search.genetic import GeneticSearch
from symloss.search.settings import Genetic

TINY = f"{NETWORKS} --set training.steps=2 --set tuning.steps=0 --set training.learning_rate=0.1"

CLASSES = """
import torch
from symloss import Split, Task
from torch import nn

def task():
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 10_000, (300,), generator=torch.Generator().manual_seed(1))
    parts = [Split(x[a : a + 100], y[a : a + 100]) for a in (0, 100, 200)]
    return Task("many", "multiclass", *parts, lambda: nn.Linear(4, 10_000), 10_000, "error", "linear")
"""


def load(wholes: Wholes, folder: Path, generations: int, population: int, candidates: int) -> list[Row]:
    """All of them; the arguments say how large."""
    return [
        *opened(folder, candidates),
        *memory(folder, generations),
        *at_once(wholes, folder),
        _large(folder, population),
        _many_classes(folder),
    ]


OPEN = """
import sys, time
from pathlib import Path
from symloss.archive import RunFolder
began = time.monotonic()
found = RunFolder.open(Path(sys.argv[1])).candidates()
print(time.monotonic() - began, len({own.loss.expression for own in found}))
"""


def opened(folder: Path, count: int) -> list[Row]:
    """An archive of so many different candidates, opened in processes of their own and by `symloss show`."""
    out = folder / "archive"
    size = _archive(out, count)
    (folder / "opening.py").write_text(OPEN)
    tries = [ended(started(["opening", str(out)], folder, module="runpy")) for _ in range(5)]
    assert all(own.code == 0 for own in tries), tries
    seconds = statistics.median(float(own.output.split()[0]) for own in tries)
    whole = sum(int(own.output.split()[1]) > 0.9 * count for own in tries)
    shown = symloss(["show", str(out)])
    return [
        Row(f"{count} candidates opened", len(tries), whole, f"{seconds:.2f} s, the median"),
        Row("the same with `symloss show`", 1, int(shown.code == 0), f"{shown.seconds:.1f} s"),
        Row("a candidate on disk", 1, 1, f"{size / count:.0f} bytes"),
    ]


def _archive(out: Path, count: int) -> int:
    """A run of different candidates that nothing was trained for. The bytes of its candidates.jsonl."""
    config = resolve({"task": "digits", "population": count, "generations": 1})
    grammar = grammar_of(config, Kind.MULTICLASS)
    task = {"name": "digits", "model": "linear", "metric": "error", "notes": []}
    record = {
        "seed": 0,
        "task": task,
        "grammar": {"name": grammar.name, "digest": grammar.digest},
        "config": {},
    }
    run = RunFolder.create(out, record, grammar.text)
    proposals = GeneticSearch(grammar, count, Genetic(), 0).ask()
    run.add_candidates(
        [
            Candidate(own, SymbolicLoss(_tuned(own.structure), Kind.MULTICLASS), Score(Status.OK, 1 / own.id))
            for own in proposals
        ]
    )
    return (out / "candidates.jsonl").stat().st_size


def _tuned(structure: Expr) -> Expr:
    """With other constants, as tuning leaves them: both formulas of a candidate have to be read."""
    return with_constants(structure, [1.0123456789 * value for value in constants_of(structure)])


LONG = """
import json, os, sys, time
from pathlib import Path
from symloss.config import resolve
from symloss.run import start
from symloss.watching import Unwatched

class Watch(Unwatched):
    seen = []
    def generation(self, progress):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.seen.append([progress.generation, pages * os.sysconf("SC_PAGESIZE"), time.monotonic()])

config = resolve({
    "task": "digits", "model": "linear", "train_size": 40, "population": 4, "generations": int(sys.argv[1]),
    "training": {"steps": 2, "learning_rate": 0.1, "network": "chain", "models_at_once": 4, "seeds": 1},
    "tuning": {"steps": 0}, "finalists": {"count": 0},
})
start(config, Path(sys.argv[2]), watcher=Watch())
print(json.dumps(Watch.seen))
"""


def memory(folder: Path, generations: int) -> list[Row]:
    """The memory of a search of so many generations of 4 candidates, sampled after each."""
    (folder / "long.py").write_text(LONG)
    out = folder / "long"
    own = ended(started(["long", str(generations), str(out)], folder, module="runpy"))
    assert own.code == 0, own.output
    seen = json.loads(own.output.splitlines()[-1])
    later = seen[len(seen) // 2 :]  # what is loaded late is loaded by then
    slope = _slope([row[0] for row in later], [row[1] for row in later])
    size = sum(path.stat().st_size for path in out.iterdir())
    first, last = (_seconds_each(part) for part in (seen[: len(seen) // 4], seen[-len(seen) // 4 :]))
    return [
        Row(f"memory over {generations} generations", 1, 1, f"{later[-1][1] / 1e6:.0f} MB at the end"),
        Row("its slope in the second half", 1, 1, f"{slope / 4 / 1e3:.2f} kB a candidate"),
        Row("a generation, in the first and in the last quarter", 1, 1, f"{first:.2f} s and {last:.2f} s"),
        Row("its folder", 1, int(not (out / "pieces.jsonl").exists()), f"{size / 1e6:.2f} MB"),
    ]


def _slope(x: list[float], y: list[float]) -> float:
    """Of the line of least squares."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / max(sum((a - mean_x) ** 2 for a in x), 1e-9)


def _seconds_each(part: list[list[float]]) -> float:
    return (part[-1][2] - part[0][2]) / max(len(part) - 1, 1)


def at_once(wholes: Wholes, folder: Path) -> list[Row]:
    """Eight searches in folders of their own, and two that are given none, all at the same time."""
    search = VICTIMS[0]
    whole, here = wholes.of(search), folder / "at-once"
    here.mkdir()
    outs = [here / str(number) for number in range(8)]
    eight = [started(search.command(out, wholes.materials), here, OMP_NUM_THREADS="1") for out in outs]
    bare = search.command(here, wholes.materials)[:-2]
    two = [started(bare, here, OMP_NUM_THREADS="1") for _ in range(2)]
    for process in (*eight, *two):
        own = ended(process)
        assert own.code == 0, own.output
    same = sum(not search.differing(out, whole) for out in outs)
    unnamed = sum(not search.differing(here / "runs" / f"digits-{number}", whole) for number in (1, 2))
    return [
        Row("searches at the same time, each with its --out", 8, same, "the bytes of one alone"),
        Row("and beside them two without --out", 2, unnamed, "the same, in runs/digits-1 and -2"),
    ]


def _large(folder: Path, population: int) -> Row:
    size = f"--task digits --model linear --train-size 100 --population {population} --generations 1"
    own = symloss(f"search {size} {TINY} --out {folder / 'large'}".split())
    print(own.output[-400:], flush=True)
    return Row(f"a population of {population}", 1, int(own.code == 0), f"{own.seconds:.0f} s")


def _many_classes(folder: Path) -> Row:
    path = folder / "classes.py"
    path.write_text(CLASSES)
    size = "--population 4 --generations 1 --set finalists.count=1"
    own = symloss(f"search --task {path}:task {size} {TINY} --out {folder / 'classes'}".split())
    print(own.output[-400:], flush=True)
    return Row("10,000 classes", 1, int(own.code == 0), f"{own.seconds:.0f} s")
