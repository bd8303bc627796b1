"""Does the search find losses that beat the standard ones when all are treated alike?

    python -m benchmarks.discovery            # a quarter of an hour on two cores; writes docs/, exported/
    python -m benchmarks.discovery --quick    # the same on a small scale, prints only

Protocol. The search runs with its defaults from three seeds. The best candidate of each and every baseline
get the same grid of learning rates, widened until no best rate lies at its end; the rate is chosen by mean
validation cost over some seeds. Each loss is then trained from fresh seeds at its own rate and tested once on
clean test data.
Seeds are paired: networks of equal seed start from equal weights and see equal batches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from scipy import stats

from symloss.benchmark.machine import machine
from symloss.config import SearchConfig
from symloss.export import Header
from symloss.expr import Expr, format_formula
from symloss.gallery import add, write_gallery
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

    @property
    def command(self) -> str:
        """The same search at the command line."""
        changed = {"--label-noise": self.config.label_noise, "--outliers": self.config.outliers}
        options = [f" {option} {value:g}" for option, value in changed.items() if value]
        return f"symloss search --task {self.config.task}{''.join(options)}"


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
    trials = run_trials(task, metric, [loss], [[rate]], fresh, training, with_test=True)
    return Row(name, format_formula(loss), rate, valid, np.array([trial.test for trial in trials]))


def paired_p(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Two-sided Wilcoxon signed-rank test over seeds; 1 if there is no difference at all."""
    difference = ours - theirs
    if not np.any(difference):
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="zsplit").pvalue)


def export(case: Case, outcome: Outcome) -> None:
    """State the winner of a search in exported/; the gallery writes its other files from that."""
    best = outcome.ranked[0]
    rate = best.confirmation.learning_rate if best.confirmation else None
    header = Header(
        found_by=case.command,
        candidate=best.id,
        task=case.title,
        metric=metric_of(case.config, outcome.task).name,
        fitness=best.score.fitness,
        learning_rate=rate,
        seed=case.config.seed,
    )
    add(EXPORTED, case.name, best.loss, header)


def searched(case: Case, seeds: Sequence[int]) -> list[tuple[Outcome, float]]:
    """The outcome of a search from each seed, and how many seconds it took."""
    found = []
    for seed in seeds:
        began = time.monotonic()
        outcome = start(replace(case.config, seed=seed))
        found.append((outcome, time.monotonic() - began))
    return found


def run_case(
    case: Case, training: Training, choosing: range, fresh: range, seeds: Sequence[int]
) -> tuple[Outcome, list[str]]:
    """Search from each seed, judge what is found, and report as Markdown. Returns the first search too."""
    searches = searched(case, seeds)
    first = searches[0][0]
    task, metric = first.task, metric_of(case.config, first.task)

    def judge(name: str, loss: Expr) -> Row:
        return judged(name, loss, task, metric, training, choosing, fresh)

    ours = [
        judge(f"discovered, search seed {seed}", outcome.ranked[0].loss.expression)
        for seed, (outcome, _) in zip(seeds, searches, strict=True)
    ]
    theirs = [judge(name, handcrafted(name, task.kind).expression) for name in case.baselines]
    seconds = ", ".join(f"{spent:.0f} s" for _, spent in searches)
    lines = [
        f"## {case.title}",
        "",
        f"Searches of {len(first.candidates)} candidates took {seconds}. Base model {task.model_name}; "
        f"{training.steps} steps; {len(choosing)} seeds to choose the learning rate, {len(fresh)} fresh "
        f"seeds to test. Test metric: {metric.name}.",
        "",
        "| loss | learning rate | validation | test, mean ± sd |",
        "|---|---|---|---|",
    ]
    for row in [*ours, *theirs]:
        test = f"{row.test.mean():.4f} ± {row.test.std(ddof=1):.4f}"
        lines.append(f"| {row.name} | {row.learning_rate:.3g} | {row.valid:.4f} | {test} |")
    lines += ["", f"| discovered minus | {' | '.join(f'search seed {seed}' for seed in seeds)} |"]
    lines.append("|---" * (1 + len(seeds)) + "|")
    lines += [f"| {row.name} | {' | '.join(compared(own, row) for own in ours)} |" for row in theirs]
    lines += ["", *[f"Search seed {seed}: `{row.formula}`\n" for seed, row in zip(seeds, ours, strict=True)]]
    return first, lines


def compared(ours: Row, theirs: Row) -> str:
    """Mean difference over seeds and its p-value."""
    return f"{np.mean(ours.test - theirs.test):+.4f}, p = {paired_p(ours.test, theirs.test):.4f}"


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
        first, report = run_case(case, training, choosing, fresh, (0,) if options.quick else (0, 1, 2))
        lines += report
        if keep:
            export(case, first)
        print("\n".join(lines), flush=True)
    if keep:
        write_gallery(EXPORTED)
        REPORT.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
