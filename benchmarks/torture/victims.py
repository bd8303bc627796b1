"""What is tortured: every command that takes long, as small as it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

NETWORKS = "--set training.network=chain --set training.models_at_once=2"
"""How networks are computed decides the last bits, and is measured unless it is set."""

TASK = "--task digits --model linear --train-size 300"

SEARCH = (
    f"{TASK} {NETWORKS} --population 8 --generations 4 --set training.steps=60 --set tuning.steps=10 "
    "--set finalists.count=2 --set training.learning_rate=0.1"
)

SUITE = """
title: A suite to be killed
task: {task: digits, model: linear, train_size: 100}
search:
  population: 4
  generations: 2
  training: {steps: 20, learning_rate: 0.1, network: chain, models_at_once: 2}
  tuning: {steps: 4}
  finalists: {count: 1, seeds: 2}
against: [brier]
learn: [ml3]
learning: {offline: {steps: 20}, training: {steps: 20, learning_rate: 0.1, network: chain, models_at_once: 2}}
budget:
  seeds: 4
  choosing_seeds: 1
  learning_rates: [0.1]
  widen: 0
  training: {steps: 20, network: chain, models_at_once: 2}
cases: [{name: small}]
"""


@dataclass(frozen=True)
class Victim:
    """A command and what it leaves.

    begin:    what begins it, but for --out. compared: patterns of the files that have to come out the same.
              SUITE in it stands for a file with the suite below.
    record:   the file whose presence says that `symloss resume` goes on; "" where the same command does.
    """

    name: str
    begin: str
    compared: tuple[str, ...]
    record: str = "run.json"

    def command(self, out: Path, materials: Path) -> list[str]:
        """How to begin, or to go on with what is there."""
        if self.record and (out / self.record).exists():
            return ["resume", str(out)]
        words = [str(materials / "suite.yaml") if own == "SUITE" else own for own in self.begin.split()]
        return [*words, "--out", str(out)]

    def files(self, out: Path) -> Iterator[Path]:
        """The files that are compared, relative to the folder."""
        for pattern in self.compared:
            yield from sorted(path.relative_to(out) for path in out.glob(pattern))

    def differing(self, out: Path, whole: Path) -> list[str]:
        """Files of a run that are not those of another, byte for byte; of a state.pt, tensor for tensor."""
        names = {*self.files(out), *self.files(whole)}
        assert names, f"{self.name} left nothing that could be compared"
        return [str(name) for name in sorted(names) if not _same(out / name, whole / name)]


def _same(one: Path, other: Path) -> bool:
    if not (one.exists() and other.exists()):
        return False
    if one.suffix == ".pt":  # its bytes also say which names Python happens to hold once or twice
        return _equal(*(torch.load(path, weights_only=True) for path in (one, other)))
    return one.read_bytes() == other.read_bytes()


def _equal(one: Any, other: Any) -> bool:
    """Whether states hold the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


RUN = ("grammar.grammar", "candidates.jsonl", "candidates.csv", "finalists.jsonl")

VICTIMS = (
    Victim("search", f"search {SEARCH}", RUN),
    Victim(
        "evaluate",
        f"evaluate focal --against mae-probability {TASK} {NETWORKS} --seeds 8 --choosing-seeds 2 "
        "--steps 100",
        ("evaluation.json", "trials.jsonl"),
        "evaluation.json",
    ),
    Victim(
        "benchmark",
        "benchmark SUITE",
        (
            "small/*/candidates.jsonl",
            "small/*/finalists.jsonl",
            "small/*/snapshots.jsonl",
            "small/*/trials.jsonl",
        ),
        "",
    ),
    Victim(
        "train-loss",
        f"train-loss adalfl {TASK} {NETWORKS} --meta-steps 120 --steps 120 --set snapshots=8",
        ("run.json", "snapshots.jsonl", "state.pt"),
    ),
    Victim(
        "distill",
        f"distill brier {TASK} {NETWORKS} --size 6 --seconds 600 --set training.steps=300 "
        "--set tuning.steps=100 --set training.learning_rate=0.1 --set finalists.count=1",
        RUN,
    ),
    Victim(
        "fewshot train",
        "fewshot train --method fomaml --ways 2 --shots 1 --queries 2 --filters 4 --meta-steps 40 "
        "--device cpu --set outer.tasks=1 --set outer.every=5 --set outer.valid=2 "
        "--set outer.at_once=separate --set inner.steps=1",
        ("run.json", "history.jsonl", "state.pt"),
    ),
)
"""Brier's loss is distilled: the fit of one that is found exactly ends by itself and not by the clock."""


def chosen(names: str) -> list[Victim]:
    """The victims of these names, divided by commas; all of them without any."""
    wanted = [name for name in names.split(",") if name]
    unknown = set(wanted) - {own.name for own in VICTIMS}
    assert not unknown, f"no victim is called {unknown}"
    return [own for own in VICTIMS if not wanted or own.name in wanted]
