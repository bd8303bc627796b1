"""Does the search find losses that beat the standard ones when all are treated alike?

    python -m benchmarks.discovery            # about ten minutes on two cores; writes docs/ and exported/
    python -m benchmarks.discovery --quick    # the same on a small scale, prints only

Protocol. The search runs with its defaults. Its best candidate and every baseline then get the same grid of
learning rates, widened until no best rate lies at its end; the rate is chosen by mean validation cost over
some seeds. Each loss is then trained from fresh seeds at its own rate and tested once on clean test data.
Seeds are paired: networks of equal seed start from equal weights and see equal batches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.machine import machine
from symloss.config import SearchConfig
from symloss.export import Header, write_export
from symloss.export.targets import TARGETS
from symloss.expr import Expr, format_formula
from symloss.losses.catalogue import handcrafted
from symloss.meta.confirm import best_rate, run_trials
from symloss.meta.settings import Training
from symloss.run import Outcome, metric_of, start
from symloss.tasks import Metric, Task

TOP = Path(__file__).resolve().parent.parent
REPORT = TOP / "docs" / "discovery.md"
EXPORTED = TOP / "exported"
GRID = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
FACTOR = 10**0.5


@dataclass(frozen=True)
class Case:
    """A search and the losses that it has to beat. Its winner is exported under `name`."""

    name: str
    title: str
    config: SearchConfig
    baselines: tuple[str, ...]


CASES = [
    Case(
        "digits_label_noise",
        "digits, 40 % symmetric label noise",
        SearchConfig(task="digits", label_noise=0.4),
        ("cross-entropy", "generalised-cross-entropy", "brier", "focal"),
    ),
    Case(
        "diabetes_outliers",
        "diabetes, 20 % gross outliers in the training targets",
        SearchConfig(task="diabetes", outliers=0.2),
        ("mse", "mae", "huber", "cauchy"),
    ),
]


@dataclass(frozen=True)
class Row:
    """A loss and how it did."""

    name: str
    formula: str
    learning_rate: float
    valid: float
    test: np.ndarray


def chosen_rate(
    task: Task, metric: Metric, loss: Expr, seeds: Sequence[int], training: Training
) -> tuple[float, float]:
    """The best learning rate on validation data, and its cost. The grid grows while the best ends it."""
    tried: dict[float, float] = {}
    rates = list(GRID)
    while rates:
        trials = run_trials(task, metric, [loss], [rates], seeds, training)
        for rate in rates:
            tried[rate] = best_rate([t for t in trials if t.learning_rate == rate], 0)[1]
        best = min(tried, key=lambda rate: (tried[rate], rate))
        at_end = {min(tried): best / FACTOR, max(tried): best * FACTOR}
        rates = [at_end[best]] if best in at_end and len(tried) < len(GRID) + 6 else []
    return best, tried[best]


def judged(
    name: str, loss: Expr, task: Task, metric: Metric, training: Training, choosing: range, fresh: range
) -> Row:
    """Choose the learning rate of a loss with some seeds and test it with others."""
    rate, valid = chosen_rate(task, metric, loss, choosing, training)
    trials = run_trials(task, metric, [loss], [[rate]], fresh, training)
    return Row(name, format_formula(loss), rate, valid, np.array([trial.test for trial in trials]))


def paired_p(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Two-sided Wilcoxon signed-rank test over seeds; 1 if there is no difference at all."""
    difference = ours - theirs
    if not np.any(difference):
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="zsplit").pvalue)


def export(case: Case, outcome: Outcome) -> None:
    """Write the winner of a search into exported/."""
    best = outcome.ranked[0]
    header = Header(task=case.title, metric=metric_of(case.config, outcome.task).name, seed=case.config.seed)
    for name, target in TARGETS.items():
        write_export(best, EXPORTED / f"{case.name}{target.suffix}", name, header=header, overwrite=True)


def run_case(case: Case, training: Training, choosing: range, fresh: range, keep: bool) -> list[str]:
    """Search, judge, and report as Markdown."""
    began = time.monotonic()
    outcome = start(case.config)
    seconds = time.monotonic() - began
    if keep:
        export(case, outcome)
    task, metric = outcome.task, metric_of(case.config, outcome.task)
    best = outcome.ranked[0]
    losses = [("discovered", best.loss.expression)]
    losses += [(name, handcrafted(name, task.kind).expression) for name in case.baselines]
    rows = [judged(name, loss, task, metric, training, choosing, fresh) for name, loss in losses]
    ours = rows[0]
    lines = [
        f"## {case.title}",
        "",
        f"Search: {len(outcome.candidates)} candidates in {seconds:.0f} s. "
        f"Base model {task.model_name}; {training.steps} steps; {len(choosing)} seeds to choose the learning "
        f"rate, {len(fresh)} fresh seeds to test. Test metric: {metric.name}.",
        "",
        "| loss | learning rate | validation | test, mean ± sd | difference, p |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        versus = (
            ""
            if row is ours
            else f"{np.mean(ours.test - row.test):+.4f}, p = {paired_p(ours.test, row.test):.4f}"
        )
        lines.append(
            f"| {row.name} | {row.learning_rate:.3g} | {row.valid:.4f} | "
            f"{row.test.mean():.4f} ± {row.test.std(ddof=1):.4f} | {versus} |"
        )
    lines += ["", f"Discovered: `{ours.formula}`", ""]
    return lines


def main() -> None:
    """Run all cases and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small scale, prints only")
    parser.add_argument("--case", type=int, help="only this case, counted from 0; prints only")
    options = parser.parse_args()
    training = Training(steps=200 if options.quick else 2000)
    choosing, fresh = (
        (range(101, 103), range(201, 204)) if options.quick else (range(101, 106), range(201, 211))
    )
    cases = CASES if options.case is None else [CASES[options.case]]
    keep = not options.quick and options.case is None
    lines = [
        "# Discovered losses against standard ones",
        "",
        "Written by `python -m benchmarks.discovery`, where the protocol is described. Lower is better; a",
        "negative difference means that the discovered loss is better; p is a two-sided Wilcoxon test over",
        "paired seeds.",
        "",
        f"Machine: {machine()}.",
        "",
    ]
    for case in cases:
        lines += run_case(case, training, choosing, fresh, keep)
        print("\n".join(lines), flush=True)
    if keep:
        REPORT.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
