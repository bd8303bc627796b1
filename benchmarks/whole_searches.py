"""What options of a search come to in the end: whole searches from several seeds, judged on test data.

    python -m benchmarks.whole_searches            # an hour on two cores; writes docs/whole-searches.md
    python -m benchmarks.whole_searches --quick    # a minute; prints what searches of two generations give

Every search is one command of symloss. Its folder stays under --out; what is there is not done again.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from scipy.stats import binomtest

from benchmarks.commands import once
from symloss.archive import RunFolder
from symloss.benchmark.machine import machine
from symloss.making import metric_of, task_of
from symloss.meta.confirm import run_trials
from symloss.records import ranked
from symloss.run_record import config_of

REPORT = Path(__file__).resolve().parent.parent / "docs" / "whole-searches.md"

CASES = {
    "digits, 40 % label noise": ["--task", "digits", "--label-noise", "0.4"],
    "diabetes, 20 % outliers": ["--task", "diabetes", "--outliers", "0.2"],
    "mnist1d, 20 % label noise": ["--task", "mnist1d", "--label-noise", "0.2"],
}
WAYS = {
    "default": [],
    "racing.seeds=true": ["--set", "racing.seeds=true"],
    "tuning.weights=none": ["--set", "tuning.weights=none"],
}
QUICK = ["--generations", "2", "--population", "8", "--set", "training.steps=20"]

FRESH = range(1_000_000, 1_000_010)
"""Seeds of the networks that judge the winner; no search has seen them."""


@dataclass(frozen=True)
class Ended:
    """What one search came to: the winner's mean costs on validation and on test data."""

    validation: float
    test: float


def ended(words: Sequence[str], folder: Path) -> Ended:
    """Search, unless that has been done, and train networks from fresh seeds under the winner."""
    once(["search", *words, "--out", str(folder)], folder, resumes=True)
    run = RunFolder.open(folder)
    config = config_of(run)
    task = task_of(config)
    winner = ranked(run.candidates())[0]
    second = winner.confirmation
    if second is None or second.cost is None:
        raise SystemExit(f"no finalist of {folder} could be trained")
    training = replace(config.training, steps=second.steps)
    loss, rates = [winner.loss.expression], [[second.learning_rate]]
    trials = run_trials(task, metric_of(config, task), loss, rates, FRESH, training, with_test=True)
    test = statistics.fmean(trial.test for trial in trials if trial.test is not None)
    return Ended(second.cost, test)


def table(found: dict[str, list[Ended]]) -> list[str]:
    """A row for each way; searches of one seed are compared with each other."""
    (plain, *_) = found.values()
    lines = ["| | validation | test | better, worse than default |", "|---|---|---|---|"]
    for way, own in found.items():
        test = [one.test for one in own]
        better, worse = counted(own, plain)
        spread = statistics.stdev(test) if len(test) > 1 else 0.0
        lines.append(
            f"| {way} | {statistics.fmean(one.validation for one in own):.4f} "
            f"| {statistics.fmean(test):.4f} ± {spread:.4f} "
            f"| {'' if own is plain else f'{better}, {worse}'} |"
        )
    return lines


INTRODUCTION = """# What options of a search come to

Written by `python -m benchmarks.whole_searches`: searches of {seeds} seeds with each option, finalists
included, that are alike in all else. *Validation* is the winner's mean cost as a finalist, *test* the mean
and standard deviation over searches of its cost on test data, from ten networks of fresh seeds each. The last
column counts the seeds at which the search did better, and worse, on test data than the default did."""


def counted(own: Sequence[Ended], plain: Sequence[Ended]) -> tuple[int, int]:
    """At how many seeds a search did better, and worse, on test data than the default."""
    pairs = [(one.test, other.test) for one, other in zip(own, plain, strict=True)]
    return sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)


def summary(cases: Sequence[Mapping[str, Sequence[Ended]]]) -> list[str]:
    """Each option over all tasks, with a sign test."""
    lines = ["| over all tasks | better, worse than default | p, sign test |", "|---|---|---|"]
    for way in list(WAYS)[1:]:
        counts = [counted(found[way], found["default"]) for found in cases]
        better, worse = (sum(column) for column in zip(*counts, strict=True))
        p = binomtest(better, better + worse).pvalue if better + worse else 1.0
        lines.append(f"| {way} | {better}, {worse} | {p:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=8, help="searches of each kind")
    parser.add_argument("--out", type=Path, default=Path("runs/whole-searches"))
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    more = QUICK if options.quick else []
    lines = [INTRODUCTION.format(seeds=seeds), f"Machine: {machine()}."]
    cases = []
    for case, words in list(CASES.items())[: 1 if options.quick else None]:
        found: dict[str, list[Ended]] = {way: [] for way in WAYS}
        for seed in range(seeds):  # all ways of a seed after each other: the machine's moods are shared
            for way, option in WAYS.items():
                folder = options.out / words[1] / way.partition("=")[0] / str(seed)
                found[way].append(ended([*words, *option, *more, "--seed", str(seed)], folder))
        cases.append(found)
        lines += [f"## {case}", "\n".join(table(found))]
        print("\n\n".join(lines[-2:]), flush=True)
    lines.insert(2, "\n".join(summary(cases)))
    print(lines[2], flush=True)
    if not options.quick:
        REPORT.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
