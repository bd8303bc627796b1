"""Few-shot learning: speed of meta steps, and what each part of NPBML adds.

    python -m benchmarks.fewshot --minutes 30      # two hours and more; writes docs/fewshot-results.md
    python -m benchmarks.fewshot --speed           # a minute; prints

Every cell is a run folder under --out; one that is there is not trained again. All methods of the table share
backbone, pretrained blocks, head, data and budget. The inner learning rate is NPBML's for Omniglot.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec
import torch

from symloss.archive.programs import is_fewshot
from symloss.benchmark.machine import machine
from symloss.fewshot import Data, evaluate, load_task, method_settings, resume, train
from symloss.fewshot.folder import State, create, new_record, read_state, write_state
from symloss.fewshot.gradient import meta_gradient
from symloss.fewshot.judging import Mean
from symloss.fewshot.meta_training import TaskLearner
from symloss.fewshot.settings import Outer

REPORT = Path(__file__).resolve().parent.parent / "docs" / "fewshot-results.md"

OFF: dict[str, Any] = {
    "network": {"warp": False, "film": False},
    "loss": {"inductive": False, "transductive": False, "regulariser": False},
}
LOSS = {"inductive": True, "transductive": True, "regulariser": True}
METHODS: dict[str, list[dict[str, Any]]] = {
    "MAML": [OFF],
    "+ warp": [OFF, {"network": {"warp": True}}],
    "+ loss": [OFF, {"loss": LOSS}],
    "+ FiLM": [OFF, {"network": {"film": True}}],
    "NPBML": [],
}
"""What each row changes in the settings of NPBML."""


def settings_of(name: str, options: argparse.Namespace) -> Any:
    shared = {
        "network": {"filters": options.filters},
        "inner": {"rate": 0.1},
        "pretraining": {"steps": options.pretraining},
        "outer": {"steps": options.meta_steps, "valid": options.valid, "every": options.every},
    }
    return method_settings("npbml", shared, *METHODS[name])


def seconds_of(learner: TaskLearner, tasks: Any, batched: bool) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        meta_gradient(learner.learner, learner.start, tasks, batched, recompute=False)
        best = min(best, time.perf_counter() - began)
    return best


def speed(options: argparse.Namespace) -> list[str]:
    """Rows of a table: meta steps per second, batched and one task after another."""
    task = load_task(Data(dataset="glyphs", ways=5, shots=1, queries=15))
    rows = ["| method | filters | batched | one after another | ratio |", "|---|---|---|---|---|"]
    for method in ("maml", "npbml"):
        settings = method_settings(method, {"network": {"filters": options.filters}})
        learner = TaskLearner(settings, task, {}, {}, torch.device(options.device), True)
        tasks = learner.tasks(task.train, 0, settings.outer.tasks)
        times = [seconds_of(learner, tasks, batched) for batched in (True, False)]
        rates = [f"{1 / t:.2f}" for t in times]
        rows.append(f"| {method} | {options.filters} | {rates[0]} | {rates[1]} | {times[1] / times[0]:.2f} |")
        print(rows[-1], flush=True)
    return rows


def encoder(shots: int, options: argparse.Namespace) -> State:
    """The state after pretraining, which is the same for all methods and budgets."""
    out = options.out / f"{shots}-shot" / "encoder"
    data = Data(dataset="glyphs", ways=5, shots=shots, queries=15)
    if not is_fewshot(out):
        settings = msgspec.structs.replace(
            settings_of("MAML", options), outer=Outer(steps=1, valid=options.valid)
        )
        train(settings, load_task(data), out, data, options.device, print)
    return State(stages={"encoder": read_state(out).stages["encoder"]})


def trained(name: str, shots: int, options: argparse.Namespace, longer: bool = False) -> Path:
    """The folder of a cell, trained for as long as `--minutes` allows."""
    if longer:
        options = argparse.Namespace(**{**vars(options), "meta_steps": options.longer})
    out: Path = options.out / f"{shots}-shot{'-longer' * longer}" / name.strip("+ ").lower()
    data = Data(dataset="glyphs", ways=5, shots=shots, queries=15)
    if not is_fewshot(out):
        start, task = encoder(shots, options), load_task(data)
        record = new_record(settings_of(name, options), data, options.device, tuple(task.train.shape), True)
        create(out, record)
        write_state(out, start)
    end: float = time.monotonic() + 60 * options.minutes

    def late() -> bool:
        return time.monotonic() > end

    if not read_state(out).best("meta"):
        resume(out, None, print, late)
    return out


def table(shots: int, options: argparse.Namespace, longer: bool = False) -> list[str]:
    """Rows: accuracy of each method with its 95 % interval, and the difference to MAML task by task.

    longer: the first and the last method alone, for `--longer` meta steps.
    """
    runs, names = [], []
    for name in (next(iter(METHODS)), list(METHODS)[-1]) if longer else METHODS:
        run = trained(name, shots, options, longer)
        if any(row["step"] for row in read_state(run).stages["meta"].history):  # it has a checkpoint
            runs.append(run)
            names.append(name)
    judged = evaluate(runs, options.tasks)
    heads = ("method", "meta steps", "accuracy %", "above the first row, paired", "errors, of its errors")
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, row in zip(names, judged, strict=True):
        gain = "" if row.difference is None else str(Mean(-row.difference.value, row.difference.half))
        accuracy, left = Mean(1 - row.error.value, row.error.half), row.error.value / judged[0].error.value
        rows.append(f"| {name} | {row.meta_steps} | {accuracy} | {gain} | {left:.0%} |")
    return rows


def written(options: argparse.Namespace) -> str:
    """The command."""
    named = {own: getattr(options, own.replace("-", "_")) for own in ("minutes", "meta-steps", "filters")}
    named |= {own: getattr(options, own) for own in ("pretraining", "tasks", "device", "longer")}
    words = [f"--{own} {value}" for own, value in named.items() if value is not None]
    return f"Written by `python -m benchmarks.fewshot {' '.join(words)}`."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/fewshot-table"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--meta-steps", type=int, default=3000)
    parser.add_argument("--pretraining", type=int, default=1500)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--valid", type=int, default=100)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    parser.add_argument(
        "--longer", type=int, metavar="STEPS", help="the first and the last method of 1-shot for so many, too"
    )
    options = parser.parse_args()
    lines = ["# Few-shot learning: measured", "", machine(), ""]
    lines += ["## Meta steps per second", "", *speed(options), ""]
    if options.speed:
        return
    tables = [(shots, False) for shots in options.shots] + [(1, True)] * (options.longer is not None)
    for shots, longer in tables:
        steps = options.longer if longer else options.meta_steps
        lines += [
            f"## Glyphs, 5-way {shots}-shot{', trained for longer' * longer}",
            "",
            f"conv4, {options.filters} filters, {options.minutes:g} minutes or {steps} meta steps a method, "
            f"{options.pretraining} steps of pretraining, {options.tasks} test tasks.",
            "",
            *table(shots, options, longer),
            "",
        ]
        REPORT.write_text("\n".join([*lines, written(options), ""]))


if __name__ == "__main__":
    main()
