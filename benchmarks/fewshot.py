"""Few-shot learning: speed of meta steps, and what each part of NPBML adds.

    python -m benchmarks.fewshot --minutes 30      # some hours; writes docs/fewshot-results.md
    python -m benchmarks.fewshot --shots 1 --methods MAML NPBML    # a part of it: other tables stay
    python -m benchmarks.fewshot --speed           # a minute, with nothing else running; writes its part

Every run is a folder under --out; one that is there is not trained again. All methods of the table share
backbone, pretrained blocks, head, data and budget. Each gets its inner learning rate from the same grid: all
rates are trained for `--trial` meta steps, and the one with the lowest error on validation tasks to the end.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shlex
import time
from pathlib import Path
from typing import Any

import msgspec
import torch

from symloss.archive.programs import is_fewshot
from symloss.benchmark.machine import machine
from symloss.fewshot import Data, evaluate, load_task, method_settings, resume, train
from symloss.fewshot.encoder import Encoder, shares_wrong
from symloss.fewshot.folder import State, create, new_record, read_state, write_state
from symloss.fewshot.gradient import meta_gradient
from symloss.fewshot.judging import Mean, mean_of
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
    "NPBML, plain prototypes": [{"loss": {"encoder": "prototypes"}}],
}
"""What each row changes in the settings of NPBML."""


DATASET = "glyphs?warp=extreme"
"""So hard that MAML gives fewer than 90 % of the answers right, with five examples too."""

RATES = (0.01, 0.03, 0.1)
"""Inner learning rates that are tried for each row, and further ones while the lowest or highest is best."""


def settings_of(name: str, rate: float, options: argparse.Namespace) -> Any:
    shared = {
        "network": {"filters": options.filters},
        "inner": {"rate": rate},
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


def data_of(shots: int) -> Data:
    return Data(dataset=DATASET, ways=5, shots=shots, queries=15)


def encoder(options: argparse.Namespace) -> State:
    """The state after pretraining, which is the same for all methods, shots and budgets."""
    out = options.out / "encoder"
    if not is_fewshot(out):
        settings = msgspec.structs.replace(
            settings_of("MAML", RATES[0], options), outer=Outer(steps=1, valid=options.valid)
        )
        data = data_of(1)
        train(settings, load_task(data), out, data, options.device, print)
    return State(stages={"encoder": read_state(out).stages["encoder"]})


def trained(name: str, rate: float, shots: int, options: argparse.Namespace, steps: int) -> Path:
    """The folder of a run, trained for as many meta steps, or as long as `--minutes` allows."""
    short = name.strip("+ ").lower().replace(", ", "-").replace(" ", "-")
    out: Path = options.out / f"{shots}-shot-{options.meta_steps}" / f"{short}-{rate:g}"
    if not is_fewshot(out):
        data = data_of(shots)
        start, task = encoder(options), load_task(data)
        settings = settings_of(name, rate, options)
        create(out, new_record(settings, data, options.device, tuple(task.train.shape), True))
        write_state(out, start)
    done = meta_steps_of(out)
    end: float = time.monotonic() + 60 * options.minutes
    asked = itertools.count(done)  # before each step

    def stop() -> bool:
        return next(asked) >= steps or time.monotonic() > end

    if done < steps:
        resume(out, None, print, stop)
    return out


def meta_steps_of(run: Path) -> int:
    """Finished meta steps."""
    meta = read_state(run).stages.get("meta")
    return 0 if meta is None else meta.step


def chosen(name: str, shots: int, options: argparse.Namespace) -> float:
    """The inner learning rate that does best on validation tasks after `--trial` meta steps."""

    def cost(rate: float) -> float:
        history = read_state(trained(name, rate, shots, options, options.trial)).stages["meta"].history
        found = (float(row["cost"]) for row in history if row["step"] <= options.trial)
        return min(found, default=math.inf)  # where the minutes were not enough

    tried = {rate: cost(rate) for rate in RATES}
    while True:
        best = min(tried, key=lambda rate: (tried[rate], -rate))  # of equal ones the highest
        if min(tried) < best < max(tried) or math.isinf(tried[best]):
            return best
        beyond = float(f"{best / 3 if best == min(tried) else best * 3:.1g}")
        tried[beyond] = cost(beyond)


def finished(name: str, shots: int, options: argparse.Namespace) -> tuple[Path, float]:
    """The folder of a row, and its inner learning rate."""
    rate = chosen(name, shots, options)
    return trained(name, rate, shots, options, options.meta_steps), rate


def table(shots: int, options: argparse.Namespace) -> list[str]:
    """Rows: accuracy of each method with its 95 % interval, and the difference to the first, task by task."""
    runs, rates = zip(*(finished(name, shots, options) for name in options.methods), strict=True)
    judged = evaluate(list(runs), options.tasks)
    heads = (
        "method",
        "inner rate",
        "meta steps",
        "accuracy %",
        "above the first row, paired",
        "errors left",
    )
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, rate, row in zip(options.methods, rates, judged, strict=True):
        gain = "" if row.difference is None else str(Mean(-row.difference.value, row.difference.half))
        accuracy, left = Mean(1 - row.error.value, row.error.half), row.error.value / judged[0].error.value
        rows.append(f"| {name} | {rate:g} | {row.meta_steps} | {accuracy} | {gain} | {left:.0%} |")
    return rows


def alone(shots: int, options: argparse.Namespace) -> str:
    """How the pretrained encoder does on the same test tasks, without learning them or anything else."""
    task, device = load_task(data_of(shots)), torch.device(options.device)
    parameters = {n: v.to(device) for n, v in encoder(options).best("encoder").items()}
    own = Encoder(settings_of("NPBML", RATES[0], options), task.train.shape)
    right = []
    for scores in (own.scores, own.refined_scores):
        wrong = shares_wrong(scores, parameters, task.test, task.ways, options.tasks, device)
        right.append(mean_of((1 - wrong).tolist()))
    return (
        f"The pretrained encoder alone is right in {right[0]} % by the nearest prototype, and in "
        f"{right[1]} % by the nearest refined one, which is what the transductive loss of NPBML is told."
    )


def written(options: argparse.Namespace, shots: int) -> str:
    """The command that writes a table, and where it ran."""
    named = {own: getattr(options, own.replace("-", "_")) for own in ("minutes", "meta-steps", "filters")}
    named |= {own: getattr(options, own) for own in ("pretraining", "trial", "tasks", "device")}
    words = [f"--{own} {value}" for own, value in named.items()]
    if options.methods != list(METHODS):
        words.append(shlex.join(["--methods", *options.methods]))
    return f"Written by `python -m benchmarks.fewshot --shots {shots} {' '.join(words)}` on {machine()}."


def write(title: str, lines: list[str]) -> None:
    """Put a section into the page, in place of one of that title."""
    text = REPORT.read_text() if REPORT.exists() else "# Few-shot learning: measured\n"
    head, *rest = text.split("\n## ")
    sections = {own.partition("\n")[0]: own.strip() for own in rest}
    sections[title] = "\n\n".join([title, *lines])
    REPORT.write_text("\n\n## ".join([head.strip(), *sections.values()]) + "\n")


def described(options: argparse.Namespace) -> str:
    """What all rows of a table have in common."""
    rates = ", ".join(f"{own:g}" for own in RATES)
    return (
        f"`{DATASET}`, conv4, {options.filters} filters, {options.pretraining} steps of "
        f"pretraining, then {options.minutes:g} minutes or {options.meta_steps} meta steps a method; "
        f"{options.tasks} test tasks. Inner rates are chosen of {rates} and beyond by validation tasks after "
        f"{options.trial} meta steps. *Errors left* is the share of the first row's."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/fewshot-table"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--meta-steps", type=int, default=3000)
    parser.add_argument("--pretraining", type=int, default=3000)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--valid", type=int, default=100)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--trial", type=int, default=250, help="meta steps of each inner learning rate")
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="ROW")
    options = parser.parse_args()
    if options.trial < options.every:
        parser.error("--trial must be at least --every: rates are compared at checkpoints")
    if options.speed:
        ran = f"Written by `python -m benchmarks.fewshot --speed --filters {options.filters}` on {machine()}."
        write("Meta steps per second", ["\n".join(speed(options)), ran])
        return
    for shots in options.shots:
        lines = [described(options), "\n".join(table(shots, options)), alone(shots, options)]
        lines.append(written(options, shots))
        write(f"Glyphs, 5-way {shots}-shot, {options.meta_steps} meta steps", lines)


if __name__ == "__main__":
    main()
