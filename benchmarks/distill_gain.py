"""How much of AdaLFL's gain a formula keeps that was distilled from its loss.

    python -m benchmarks.distill_gain            # half an hour; writes docs/distill-gain.md
    python -m benchmarks.distill_gain --quick    # a minute; prints what so few steps and seeds give

Every case is three commands of symloss: train the loss, distill it, evaluate both against the usual loss
under one budget. The formula is chosen on validation data. Folders stay under --out; what is there is not
done again.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.commands import once
from symloss.archive import RunFolder
from symloss.benchmark.machine import machine
from symloss.expr import format_formula
from symloss.records import Candidate, ranked

REPORT = Path(__file__).resolve().parent.parent / "docs" / "distill-gain.md"

CASES = {
    "digits": [],
    "digits-label-noise": ["--label-noise", "0.4"],
    "mnist1d": ["--task", "mnist1d"],
}
"""Folder: what is said of the task."""

SIZE = 15


@dataclass(frozen=True)
class Budget:
    """More words of the three commands."""

    learn: tuple[str, ...] = ("--set", "training.steps=200")
    distill: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ("--choosing-seeds", "2")


QUICK = Budget(
    (*("--set", "training.steps=20"), *("--set", "offline.steps=100")),
    (*("--seconds", "3"), *("--set", "training.steps=20"), *("--set", "finalists.count=2")),
    (*("--choosing-seeds", "1"), *("--seeds", "3"), *("--steps", "100")),
)


@dataclass(frozen=True)
class Kept:
    """costs: of each test seed, under the usual loss, AdaLFL and the formula; commands: what gave them."""

    case: str
    size: int
    formula: str
    costs: dict[str, list[float]]
    commands: list[str]

    @property
    def share(self) -> float | None:
        """Of AdaLFL's gain over the usual loss; None where it has none."""
        usual, online, formula = (statistics.fmean(self.costs[own]) for own in ("usual", "adalfl", "formula"))
        return (usual - formula) / (usual - online) if online < usual else None

    @property
    def better(self) -> int:
        """Seeds at which the formula costs less than the usual loss."""
        return sum(a < b for a, b in zip(self.costs["formula"], self.costs["usual"], strict=True))


def measured(case: str, top: Path, budget: Budget) -> Kept:
    """Train, distill and evaluate."""
    learned, formula, evaluation = (top / name for name in ("adalfl", "formula", "evaluation"))
    commands = [
        ["train-loss", "adalfl", *CASES[case], *budget.learn, "--out", str(learned)],
        ["distill", str(learned), "--size", str(SIZE), *budget.distill, "--out", str(formula)],
        ["evaluate", str(formula), str(learned), *budget.evaluate, "--out", str(evaluation)],
    ]
    for command, folder in zip(commands, (learned, formula, evaluation), strict=True):
        once(command, folder, resumes=folder != evaluation)
    best = ranked(RunFolder.open(formula).candidates())[0]
    results = msgspec.json.decode((evaluation / "results.json").read_bytes())
    shown = [shlex.join(["symloss", *command]).replace(str(top), f"runs/{case}") for command in commands]
    return kept(case, best, results, shown)


def kept(case: str, best: Candidate, results: dict[str, Any], commands: list[str]) -> Kept:
    """What an evaluation of a formula and of an online loss says, in that order, against the usual loss."""
    (task,) = results["tasks"]
    rows = {row["name"]: row["test"][task["metrics"][0]] for row in task["rows"]}
    judged = list(dict.fromkeys(own["first"] for own in task["comparisons"]))
    (usual,) = {own["second"] for own in task["comparisons"]}
    costs = {"usual": rows[usual], "formula": rows[judged[0]], "adalfl": rows[judged[1]]}
    return Kept(case, best.size, format_formula(best.loss.expression), costs, commands)


def cell(costs: list[float]) -> str:
    return f"{statistics.fmean(costs):.4f} ± {statistics.stdev(costs):.4f}"


def report(rows: list[Kept]) -> str:
    """The page."""
    lines = [
        "# What a formula keeps of AdaLFL's gain",
        "",
        "Written by `python -m benchmarks.distill_gain`. AdaLFL's loss is trained and distilled into",
        f"formulas of at most {SIZE} nodes, to which tuning adds weights; one is chosen by training on",
        "validation data. Both are then evaluated against the usual loss under one budget, from fresh seeds,",
        "on clean test data. *Kept* is the formula's gain over the usual loss as a share of AdaLFL's.",
        "",
        "| case | usual loss | AdaLFL | formula | kept | seeds better than the usual loss | nodes |  |",
        f"|{'---|' * 8}",
    ]
    for row in rows:
        cells = [row.case, *(cell(row.costs[own]) for own in ("usual", "adalfl", "formula"))]
        share = "AdaLFL gains nothing" if row.share is None else f"{row.share:.0%}"
        better = f"{row.better} of {len(row.costs['usual'])}"
        lines.append(f"| {' | '.join([*cells, share, better, str(row.size), f'`{row.formula}`'])} |")
    lines += [
        "",
        f"Test cost, mean and standard deviation over {len(rows[0].costs['usual'])} seeds. The commands:",
    ]
    lines += ["", "```sh", *(command for row in rows for command in row.commands), "```"]
    return "\n".join([*lines, "", f"Measured on {machine()}.", ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="digits alone, few steps and seeds; prints")
    parser.add_argument("--out", type=Path, default=Path("runs/distill-gain"), help="where folders are kept")
    given = parser.parse_args()
    cases = list(CASES)[: 1 if given.quick else None]
    budget = QUICK if given.quick else Budget()
    text = report([measured(case, given.out / case, budget) for case in cases])
    print(text)
    if not given.quick:
        REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
