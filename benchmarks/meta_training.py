"""How fast candidates are tuned, trained and scored, against a plain loop, and what bounds it.

    python -m benchmarks.meta_training                 # half an hour on two cores; writes two reports
    python -m benchmarks.meta_training --only pipeline # filters and racing alone; writes docs/racing.md
    python -m benchmarks.meta_training --quick         # the same on a small scale, prints only
    python -m benchmarks.meta_training --device cuda   # on a CUDA device; writes reports of its own

All numbers that are compared come from one run. The engine is timed on 25 candidates and whole budgets, the
plain loops on some of the same candidates and fewer steps; theirs is the better of one thread and all
threads. They make the fresh network of a tuning step in that step, the engine once for all generations,
before. The engine takes numbers below 1e-38 for zero. `benchmarks/plain_loop.py` is what the plain loops run.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import plain_loop
from benchmarks.measure import (
    flops_of_a_step,
    gemm_rate,
    interleaved,
    report_file,
    seconds,
    with_peak_memory,
)
from benchmarks.pipeline import pipeline_report
from symloss.benchmark.machine import machine
from symloss.errors import TaskError
from symloss.expr import Expr
from symloss.grammar import load_grammar
from symloss.making import device_of
from symloss.meta.choosing import plan_for
from symloss.meta.evaluator import Evaluator
from symloss.meta.plan import Plan
from symloss.meta.settings import Training, Tuning
from symloss.meta.training import Heat, Job, train_and_score
from symloss.meta.tuning import tune, with_weights
from symloss.records import Kind, Status, SymbolicLoss
from symloss.search.genetic import GeneticSearch
from symloss.search.settings import Genetic
from symloss.tasks import Corruption, Split, Task, find_metric, make_task
from symloss.workers import WORKERS, one_thread

POPULATION = 25
RULES = {"chain": "by explicit rules", "traced": "by torch transforms", "separate": "one after another"}
TUNING_STEPS, FITNESS_STEPS, GENERATIONS = 250, 500, 50
"""Of a candidate in EvoMAL, and of its search."""


@dataclass(frozen=True)
class Scale:
    """How much is measured: repeats, and candidates and steps of the engine and of the plain loop.

    parts: steps of which the parts are measured.
    """

    repeats: int
    candidates: int
    tuning_steps: int
    fitness_steps: int
    plain_repeats: int
    plain_candidates: int
    plain_steps: int
    parts: int = 80


FULL = {
    "digits": Scale(5, POPULATION, TUNING_STEPS, FITNESS_STEPS, 5, 5, 60),
    "fashion-mnist": Scale(1, POPULATION, 100, 200, 3, 2, 20),
}
QUICK = {"digits": Scale(1, 4, 5, 10, 1, 1, 4, 4), "fashion-mnist": Scale(1, 2, 2, 2, 1, 1, 2, 2)}


def proposals(task: Task, count: int) -> list[Expr]:
    """Formulas of EvoMAL's grammar that pass the filters, scaled as in a search."""
    search = GeneticSearch(load_grammar("evomal"), 4 * count + 8, Genetic(), 0)
    once = Training(steps=1, seeds=1, learning_rate=0.01)
    judge = Evaluator(task, find_metric(task.metric, task.kind), once, Tuning(steps=0))
    found = judge.evaluate(search.ask())
    return [c.loss.expression for c in found if c.score.status is Status.OK][:count]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch on `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Speed:
    """Seconds of one candidate's tuning step and training step, each a median over repeats."""

    tuning_step: float
    fitness_step: float

    @property
    def candidate(self) -> float:
        return TUNING_STEPS * self.tuning_step + FITNESS_STEPS * self.fitness_step


def engine_speed(task: Task, losses: Sequence[Expr], scale: Scale, graphs: bool) -> Speed:
    """The engine on all candidates together, with CUDA graphs or without."""
    training = Training(steps=scale.fitness_steps, learning_rate=0.01, cuda_graphs=graphs)
    plan = plan_for(task, training)
    weighted = [with_weights(loss, "edges") for loss in losses]
    metric = find_metric(task.metric, task.kind)
    jobs = [Job(loss, 0, 0.01) for loss in losses]
    device = task.train.x.device

    def tuning() -> None:
        tune(weighted, task, Tuning(steps=scale.tuning_steps), 0, plan)

    def fitness() -> None:
        train_and_score(task, jobs, training, 0, metric, ())

    tune(weighted[:2], task, Tuning(steps=scale.tuning_steps), 0, plan)  # makes what is made once a search
    spent = [statistics.median(own) for own in interleaved([tuning, fitness], scale.repeats, device)]
    return Speed(spent[0] / len(losses) / scale.tuning_steps, spent[1] / len(losses) / scale.fitness_steps)


def plain_speed(task: Task, losses: Sequence[Expr], scale: Scale, reshuffle: bool) -> Speed:
    """The plain loop on some of the candidates, one after another."""
    training = Training(steps=scale.plain_steps, learning_rate=0.01)
    tuning = Tuning(steps=scale.plain_steps)
    some = losses[: scale.plain_candidates]
    plain = [SymbolicLoss(loss, task.kind) for loss in some]
    weighted = [SymbolicLoss(with_weights(loss, "edges"), task.kind) for loss in some]

    def run_tuning() -> None:
        for loss in weighted:
            plain_loop.tune(loss, task, tuning, 0, reshuffle)

    def run_fitness() -> None:
        for loss in plain:
            plain_loop.train(loss, task, training, 0, reshuffle)

    best = [float("inf")] * 2
    for count in {1, WORKERS}:
        with threads(count):
            run_fitness()
            times = interleaved([run_tuning, run_fitness], scale.plain_repeats, task.train.x.device)
        best = [min(a, statistics.median(b)) for a, b in zip(best, times, strict=True)]
    each = len(some) * scale.plain_steps
    return Speed(best[0] / each, best[1] / each)


def agreement(task: Task, losses: Sequence[Expr], steps: int, graphs: bool = False) -> float:
    """Largest difference between outputs of networks trained by the engine and by the plain loop, in float64.

    In float32 it says nothing: under some losses training multiplies the smallest difference a thousandfold.
    """
    task = in_float64(task)
    training = Training(steps=steps, learning_rate=0.01, cuda_graphs=graphs)
    worst = 0.0
    with one_thread():
        heat = Heat(task, [Job(loss, 0, 0.01) for loss in losses], training, 0, plan_for(task, training))
        heat.advance(steps)
        found = heat.fleet.network.outputs(heat.fleet.parameters, task.valid.x)
        for row, loss in enumerate(losses):
            alone = plain_loop.train(SymbolicLoss(loss, task.kind), task, training, 0)(task.valid.x)
            if not bool(torch.equal(alone.isfinite(), found[row].isfinite())):
                return float("inf")
            if alone.isfinite().all():
                worst = max(worst, ((found[row] - alone).abs().max() / alone.abs().max()).item())
    return worst


@dataclass(frozen=True)
class Speeds:
    """Of the engine, and of the plain loop."""

    engine: Speed
    plain: Speed


def in_float64(task: Task) -> Task:
    """The same task in double precision, with fewer samples to compare outputs on."""

    def split(part: Split, count: int) -> Split:
        return Split(part.x[:count].double(), part.y[:count])

    exact = copy.copy(task)
    for name in ("train", "valid", "test"):
        part = getattr(task, name)
        object.__setattr__(exact, name, split(part, len(part) if name == "train" else 256))
    object.__setattr__(exact, "make_model", lambda: task.make_model().double())
    return exact


def speed_report(name: str, task: Task, scale: Scale) -> tuple[list[str], Speeds]:
    """The engine against the plain loops on one task; on a CUDA device also with graphs."""
    losses = proposals(task, scale.candidates)
    ways = {"symloss": False}
    if task.train.x.is_cuda:
        ways["symloss, CUDA graphs"] = True
    engines = {label: engine_speed(task, losses, scale, graphs) for label, graphs in ways.items()}
    best = min(engines, key=lambda label: engines[label].candidate)
    engine, plan = engines[best], plan_for(task, Training(cuda_graphs=ways[best]))
    plain = plain_speed(task, losses, scale, reshuffle=False)
    rows = [*engines.items(), ("plain loop", plain)]
    rows += [("plain loop, reshuffling every step", plain_speed(task, losses, scale, reshuffle=True))]
    flops, rate = flops_of_a_step(task, Training().batch_size), gemm_rate(task.train.x.device)
    share = flops / rate / engine.fitness_step
    checked = min(scale.fitness_steps, 20)
    exactness = max(agreement(task, losses, checked, graphs) for graphs in ways.values())
    lines = [
        f"## {name}, {task.model_name}",
        "",
        f"{len(losses)} candidates of the `evomal` grammar, a constant on every edge, batches of 128. "
        f"Networks are computed {RULES[plan.name]}, {plan.at_once} at a time"
        f"{', as CUDA graphs' if plan.recorded else ''} (measured when the search starts).",
        "",
        "| | a tuning step | a training step | a candidate (250 + 500) | times as long |",
        "|---|---|---|---|---|",
    ]
    for label, speed in rows:
        lines.append(
            f"| {label} | {1e3 * speed.tuning_step:.3f} ms | {1e3 * speed.fitness_step:.3f} ms "
            f"| {speed.candidate:.3f} s | {speed.candidate / engine.candidate:.1f} |"
        )
    lines += [
        "",
        f"EvoMAL's whole search, {GENERATIONS} generations of {POPULATION} candidates that all pass the "
        f"filters, would be {GENERATIONS * POPULATION * engine.candidate / 60:.1f} minutes of this.",
        "",
        f"Arithmetic: a training step of the base model takes {flops / 1e6:.2f} MFLOP (torch's count); "
        f"matrix products of 1024 x 1024 run at {rate / 1e9:.0f} GFLOP/s on all cores together; so training "
        f"reaches **{share:.0%}** of the arithmetic limit.",
        "",
        f"Exactness: after {checked} steps the outputs of networks trained by the engine and by the plain "
        f"loop differ by at most {exactness:.0e} of the largest output (in float64).",
        "",
        *breakdown(task, losses, plan, scale.parts),
    ]
    return lines, Speeds(engine, plain)


def breakdown(task: Task, losses: Sequence[Expr], plan: Plan, steps: int) -> list[str]:
    """Where the time of a training step goes, on one core, in a piece as the plan cuts it."""
    piece = list(losses)[: plan.at_once]
    training = Training(steps=steps + 1, learning_rate=0.01)
    device = task.train.x.device
    with one_thread(), torch.no_grad():
        heat = Heat(task, [Job(loss, 0, 0.01) for loss in piece], training, 0, plan)
        network, parameters = heat.fleet.network, heat.fleet.parameters
        x, y = task.train.x[: training.batch_size], task.train.y[: training.batch_size]
        forward = network.run(parameters, x)
        gradient = heat.losses.output_gradient(forward.outputs, y, progress=0.0)
        done = iter(range(1, steps + 2))
        works: list[Callable[[], object]] = [
            lambda: heat.advance(next(done)),
            lambda: network.run(parameters, x),
            lambda: forward.backward(gradient),
            lambda: heat.losses.output_gradient(forward.outputs, y, progress=0.0),
        ]
        times = interleaved(works, steps, device)
    whole, run, back, slopes = (statistics.median(own) for own in times)
    rest = max(whole - run - back - slopes, 0.0)
    parts = {"forward": run, "backward": back, "the losses": slopes, "optimiser and batches": rest}
    shares = ", ".join(f"{name} {own / whole:.0%}" for name, own in parts.items())
    return [
        f"A training step of {len(piece)} networks on one core takes {1e3 * whole:.2f} ms: {shares}. By "
        f"operation (torch's profiler): {operations(task, piece, plan, min(steps, 30))}.",
        "",
    ]


def operations(task: Task, losses: Sequence[Expr], plan: Plan, steps: int) -> str:
    """The operations that take most of a training step, as shares of it."""
    training = Training(steps=2 * steps, learning_rate=0.01)
    with one_thread():
        heat = Heat(task, [Job(loss, 0, 0.01) for loss in losses], training, 0, plan)
        heat.advance(steps)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            spent = seconds(lambda: heat.advance(2 * steps), task.train.x.device)
    events = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)[:6]
    shares = {event.key: event.self_cpu_time_total / 1e6 / spent for event in events}
    rest = 1.0 - sum(event.self_cpu_time_total for event in found.key_averages()) / 1e6 / spent
    named = [f"{name} {share:.0%}" for name, share in shares.items()]
    return ", ".join([*named, f"outside torch (Python, NumPy) {max(rest, 0.0):.0%}"])


def synthetic(classes: int = 10, width: int = 64, inputs: int = 64) -> Task:
    """A perceptron of two hidden layers on random data, of any size."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        x = torch.randn(count, inputs, generator=generator)
        return Split(x, torch.randint(classes, (count,), generator=generator))

    def make_model() -> nn.Module:
        layers = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(width, classes))

    train, valid, test = (split(count) for count in (1024, 512, 128))
    kind = Kind.MULTICLASS
    return Task("random", kind, train, valid, test, make_model, classes, "error", f"mlp-{width}")


def training_cost(task: Task, losses: Sequence[Expr], steps: int) -> float:
    """Milliseconds per candidate and step."""
    training = Training(steps=steps, learning_rate=0.001)
    jobs = [Job(loss, 0, 0.001) for loss in losses]
    metric = find_metric("error", task.kind)
    spent = seconds(lambda: train_and_score(task, jobs, training, 0, metric, ()), task.train.x.device)
    return 1e3 * spent / steps / len(losses)


def tuning_cost(task: Task, losses: Sequence[Expr], steps: int, inner_steps: int) -> float:
    """Milliseconds per candidate and meta step, in this process."""
    weighted = [with_weights(loss, "merged") for loss in losses]
    tuning = Tuning(steps=steps, inner_steps=inner_steps)
    plan = dataclasses.replace(plan_for(task, Training()), at_once=len(losses))
    with one_thread():
        spent = seconds(lambda: tune(weighted, task, tuning, 0, plan), task.train.x.device)
    return 1e3 * spent / steps / len(losses)


def growth_report(device: torch.device, quick: bool) -> list[str]:
    """How cost grows with each size alone."""
    steps = 4 if quick else 60
    task = synthetic().to(device)
    losses = proposals(task, 8 if quick else 64)

    def table(name: str, rows: Sequence[tuple[int, float, float | None]], unit: str) -> list[str]:
        lines = [f"| {name} | {unit} | peak memory |", "|---|---|---|"]
        for size, cost, memory in rows:
            lines.append(f"| {size} | {cost:.3f} ms | {'?' if memory is None else f'{memory:.0f} MiB'} |")
        return [*lines, ""]

    def measured(work: Callable[[], float]) -> tuple[float, float | None]:
        return work(), with_peak_memory(work)[1] if device.type == "cpu" else None

    def sizes(small: Sequence[int], large: Sequence[int]) -> Sequence[int]:
        return small if quick else large

    lines = [
        "## How cost grows",
        "",
        "Random data, perceptrons of two hidden layers, batches of 128. The start of processes is in the",
        "times; memory is what one process adds that does all pieces itself, one after another.",
        "",
    ]
    unit = "a candidate's training step"
    rows = []
    for count in sizes([1, 4], [1, 4, 16, 64, 256]):
        some = [losses[i % len(losses)] for i in range(count)]
        rows.append((count, *measured(lambda some=some: training_cost(task, some, 2 * steps))))  # type: ignore[misc]
    lines += table("population", rows, unit)
    rows = []
    for classes in sizes([10, 100], [10, 100, 1000, 10_000]):
        own = synthetic(classes=classes).to(device)
        rows.append((classes, *measured(lambda own=own: training_cost(own, losses[:8], steps))))  # type: ignore[misc]
    lines += table("classes", rows, unit)
    rows = []
    for width in sizes([16, 32], [16, 64, 256, 1024]):
        own = synthetic(width=width).to(device)
        rows.append((width, *measured(lambda own=own: training_cost(own, losses[:8], steps))))  # type: ignore[misc]
    lines += table("width", rows, unit)
    rows = []
    own_steps = 2 if quick else 6
    for inner in sizes([1, 2], [1, 2, 4, 8, 16, 32, 64]):
        rows.append((inner, *measured(lambda n=inner: tuning_cost(task, losses[:8], own_steps, n))))  # type: ignore[misc]
    return [*lines, *table("inner steps", rows, "a candidate's tuning step")]


def tasks_of(device: torch.device) -> Iterator[tuple[str, Task]]:
    """The tasks of the comparison; Fashion-MNIST where its files are."""
    yield "digits", make_task("digits", model="mlp", corruption=Corruption(label_noise=0.4)).to(device)
    try:
        task = make_task("fashion-mnist", model="lenet5")
    except TaskError as error:
        print(f"Fashion-MNIST is left out: {error}")
        return
    yield "fashion-mnist", task.to(device)


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small scale, prints only")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--only",
        choices=["speed", "growth", "pipeline"],
        help="this part alone; pipeline writes docs/racing.md, the others print only",
    )
    options = parser.parse_args()
    device, whole = device_of(options.device), options.only is None
    scales = QUICK if options.quick else FULL
    tasks = dict(tasks_of(device))
    plain: dict[str, Speed] = {}
    lines: list[str] = []
    if options.only in (None, "speed"):
        for name, task in tasks.items():
            report, speeds = speed_report(name, task, scales[name])
            plain[name] = speeds.plain
            lines += report
            print("\n".join(report), flush=True)
    if options.only in (None, "growth"):
        report = growth_report(device, options.quick)
        lines += report
        print("\n".join(report), flush=True)
    if whole and not options.quick:
        write_page("performance", "Performance of meta-training", lines, device)
    if options.only in (None, "pipeline"):
        for name in [name for name in tasks if name not in plain]:
            losses = proposals(tasks[name], scales[name].plain_candidates)
            plain[name] = plain_speed(tasks[name], losses, scales[name], reshuffle=False)
        lines = pipeline_report(options.device, options.quick, plain)
        if not options.quick:
            write_page("racing", "Filters and racing", lines, device)


def write_page(name: str, title: str, lines: Sequence[str], device: torch.device) -> None:
    """A page of docs with what this run has measured."""
    head = [
        f"# {title}",
        "",
        "Written by `python -m benchmarks.meta_training`, where the protocol is described. All times that",
        "are compared were taken in one run.",
        "",
        f"Machine: {machine(device)}.",
        "",
    ]
    report_file(name, device).write_text("\n".join([*head, *lines]), encoding="utf-8")


if __name__ == "__main__":
    main()
