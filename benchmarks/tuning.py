"""What tuning adds to candidates, by the weights that it moves.

    python -m benchmarks.tuning            # some minutes; writes docs/tuning.md
    python -m benchmarks.tuning --quick    # some seconds; prints what so few candidates give

The same formulas, as EvoMAL's grammar proposes them at first, are trained untuned, and tuned with each kind
of weights.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from benchmarks.pipeline import calibrated, evaluator
from symloss.benchmark.machine import machine
from symloss.config import SearchConfig
from symloss.making import grammar_of, make_search, metric_of, task_of
from symloss.records import Candidate, Status

REPORT = Path(__file__).resolve().parent.parent / "docs" / "tuning.md"

CASES = {
    "digits, 40 % label noise": SearchConfig(task="digits", label_noise=0.4),
    "diabetes, 20 % outliers": SearchConfig(task="diabetes", outliers=0.2),
    "mnist1d, 20 % label noise": SearchConfig(task="mnist1d", label_noise=0.2),
}
WEIGHTS = ("none", "merged", "edges")

INTRODUCTION = """# What tuning adds

Written by `python -m benchmarks.tuning`. Formulas of EvoMAL's grammar, as it proposes them at first, are
trained as they are, and after tuning with each kind of weights (`tuning.weights`): *none* moves a formula's
own constants, *edges* a weight on every edge, *merged* those of them that do not act as one. *Better* and
*worse* are shares of candidates by validation cost. *Saved* is the mean share of its cost that a candidate
loses by keeping the better of tuned and untuned, as a search does (`tuning.keep_better`), *best ten* the mean
cost of the ten best of what is kept. Seconds are those of tuning and training."""


@dataclass(frozen=True)
class Outcome:
    """Costs of the candidates, infinite where training failed, and the seconds that all took."""

    costs: np.ndarray
    seconds: float


def cost(candidate: Candidate) -> float:
    fitness = candidate.score.fitness
    return float("inf") if fitness is None else fitness


def outcomes(config: SearchConfig, count: int) -> dict[str, Outcome]:
    """Of candidates that train untuned: untuned, and with each kind of weights."""
    task = task_of(config)
    metric = metric_of(config, task)
    config = replace(calibrated(config, task, metric), population=count)
    proposals = make_search(config, grammar_of(config, task.kind), task).ask()
    untuned = replace(config.tuning, steps=0)
    ways = {"untuned": untuned}
    ways |= {name: replace(config.tuning, weights=name, keep_better=False) for name in WEIGHTS}
    found, passed = {}, np.ones(count, dtype=bool)
    for name, tuning in ways.items():
        judge = evaluator(replace(config, tuning=tuning), task, metric)
        began = time.perf_counter()
        candidates = judge.evaluate(proposals)
        found[name] = Outcome(np.array([cost(c) for c in candidates]), time.perf_counter() - began)
        if name == "untuned":
            passed = np.array([c.score.status is Status.OK for c in candidates])
    return {name: Outcome(own.costs[passed], own.seconds) for name, own in found.items()}


def saved(costs: np.ndarray, plain: np.ndarray) -> float:
    """Mean share of a candidate's cost that is saved by keeping the better of the two."""
    return float(np.mean(1.0 - np.minimum(costs, plain) / plain))


def table(found: dict[str, Outcome]) -> list[str]:
    """A row for each way."""
    plain = found["untuned"].costs
    lines = ["| weights | better | worse | saved | best ten | seconds |", "|---|---|---|---|---|---|"]
    for name, own in found.items():
        shares = " |  | "
        if name != "untuned":
            better, worse = np.mean(own.costs < plain), np.mean(own.costs > plain)
            shares = f"{better:.0%} | {worse:.0%} | {saved(own.costs, plain):.1%}"
        ten = np.sort(np.minimum(own.costs, plain))[:10].mean()
        lines.append(f"| {name} | {shares} | {ten:.4f} | {own.seconds:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--candidates", type=int, default=300, help="formulas before the filters")
    options = parser.parse_args()
    lines = [INTRODUCTION, f"Machine: {machine()}."]
    for name, config in list(CASES.items())[: 1 if options.quick else None]:
        found = outcomes(config, 40 if options.quick else options.candidates)
        lines += [f"## {name}", f"{len(found['untuned'].costs)} candidates.", "\n".join(table(found))]
        print("\n\n".join(lines[-3:]), flush=True)
    if not options.quick:
        REPORT.write_text("\n\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
