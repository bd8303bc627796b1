"""AdaLFL begun as the usual loss, without meta-training beforehand, and as its paper begins it.

    python -m benchmarks.online_start            # an hour; writes docs/online-start.md
    python -m benchmarks.online_start --quick    # a minute; prints what so few steps and seeds give

Both are compared with the usual loss on the tasks of benchmarks/learned.yaml, under the budget there. Folders
stay under --out; what is there is not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from symloss.benchmark.machine import machine
from symloss.benchmark.suite import Case, read_suite
from symloss.benchmark.summary import outcome
from symloss.evaluation import EvaluationSettings, evaluate
from symloss.evaluation.contestants import STANDARD
from symloss.evaluation.results import Comparison, TaskResult
from symloss.evaluation.statistics import holm, paired
from symloss.evaluation.tables import tested
from symloss.learning.run import learned_in
from symloss.learning.settings import LearnConfig
from symloss.making import task_of
from symloss.meta.settings import Offline

TOP = Path(__file__).resolve().parent.parent
SUITE = TOP / "benchmarks" / "learned.yaml"
REPORT = TOP / "docs" / "online-start.md"

STARTS = {"paper": Offline(), "usual": Offline(start="usual", steps=0)}
"""Name in an evaluation: what happens before the base network trains."""

QUICK: dict[str, Any] = {
    "learn": ["adalfl"],
    "learning": {"training": {"steps": 20}},
    "budget": {"seeds": 6, "choosing_seeds": 1, "widen": 0, "training": {"steps": 50}},
}


def evaluated(case: Case, folder: Path) -> TaskResult:
    """AdaLFL from both starts beside the usual loss."""
    (config,) = (own for own in case.learned if own.method == "adalfl")
    losses = tuple(f"{name}={_learned(config, folder / name, own)}" for name, own in STARTS.items())
    usual = STANDARD[task_of(case.task).kind]
    settings = EvaluationSettings(losses=losses, tasks=(case.task,), against=(usual,), budget=case.budget)
    (task,) = evaluate(settings, folder / "evaluation", print).tasks
    return task


def _learned(config: LearnConfig, folder: Path, offline: Offline) -> Path:
    learned_in(replace(config, offline=offline), folder)
    return folder


def against_usual(task: TaskResult) -> list[Comparison]:
    """Both starts against the usual loss, in their order."""
    costs = {row.name: row.test[task.metric] for row in task.rows}
    (usual,) = set(costs) - set(STARTS)
    pairs = [(name, paired(costs[name], costs[usual])) for name in STARTS]
    return [Comparison(name, usual, own, own.wilcoxon) for name, own in pairs]


def report(names: Sequence[str], tasks: Sequence[TaskResult]) -> str:
    """The page."""
    lines = [
        "# How AdaLFL begins",
        "",
        "Written by `python -m benchmarks.online_start`. In its paper AdaLFL's loss is drawn at random and",
        "meta-trained, to improve one step of a fresh network, before it goes on learning with another one.",
        "Here it also begins as the usual loss, without any meta-training (`offline.start=usual`,",
        "`offline.steps=0`). Test cost, mean and standard deviation; p by Wilcoxon's signed-rank test over",
        f"paired seeds, after Holm's correction for all {len(STARTS) * len(tasks)} comparisons of this page.",
        "",
        "| task | usual loss | begun as in the paper |  | begun as the usual loss |  |",
        f"|{'---|' * 6}",
    ]
    comparisons = [own for task in tasks for own in against_usual(task)]
    corrected = iter(holm([own.paired.wilcoxon for own in comparisons]))
    for name, task in zip(names, tasks, strict=True):
        rows = {row.name: row for row in task.rows}
        (usual,) = set(rows) - set(STARTS)
        cells = [name, f"{usual} {tested(rows[usual], task.metric)}"]
        for own in against_usual(task):
            judged = dataclasses.replace(own, corrected=next(corrected))
            cells += [tested(rows[own.first], task.metric), outcome(judged)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Measured on {machine()}.", ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one task, few steps and seeds; prints")
    parser.add_argument("--out", type=Path, help="where folders are kept")
    given = parser.parse_args()
    top = given.out or Path("runs/online-start-quick" if given.quick else "runs/online-start")
    cases = read_suite(SUITE, QUICK if given.quick else None).cases[: 1 if given.quick else None]
    text = report([own.name for own in cases], [evaluated(own, top / own.name) for own in cases])
    print(text)
    if not given.quick:
        REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
