"""What online adaptation costs: a step of `OnlineLossLearner` against a plain one, in time and memory.

    python -m benchmarks.adaptive            # writes docs/adaptive-speed.md, in some minutes

All kinds of step are timed in turns, and the fastest of each counts; memory is the growth of a fresh process.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import symloss
from symloss.benchmark.machine import machine
from symloss.losses.neural.network import LossNetwork
from symloss.tasks.models import model_maker

PAGE = Path(__file__).parent.parent / "docs" / "adaptive-speed.md"
SETTINGS = {
    "lenet5": ("LeNet-5", (1, 28, 28), 128, 10),
    "mlp": ("multi-layer perceptron, 784-1000-1000-10", (1, 28, 28), 128, 6),
    "resnet18": ("ResNet-18", (3, 32, 32), 8, 2),
}
"""Each model: its name, shape of a sample, batch size, rounds."""

KINDS = ("plain", "validation", "shared")
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-6),
}


def perceptron() -> nn.Module:
    """The paper's: two hidden layers of 1000."""
    layers = [nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 1000), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(1000, 10))


def stepper(name: str, kind: str, optimiser: str) -> Callable[[], None]:
    """A function that makes one training step."""
    _, shape, batch, _ = SETTINGS[name]
    torch.manual_seed(0)
    model = perceptron() if name == "mlp" else model_maker(name, shape, 10)()
    optimizer = OPTIMISERS[optimiser](model.parameters())
    batches = [(torch.randn(batch, *shape), torch.randint(10, (batch,))) for _ in range(2)]
    number = 0

    def plain() -> None:
        x, y = batches[0]
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    if kind == "plain":
        return plain
    loss = LossNetwork("multiclass")
    learner = symloss.OnlineLossLearner(model, loss, optimizer, share=kind == "shared")

    def adaptive() -> None:
        nonlocal number
        now, then = batches[number % 2], batches[(number + 1) % 2]
        number += 1
        learner.step(now, then)

    return adaptive


def ratios(name: str, optimiser: str) -> dict[str, float]:
    """Seconds of a plain step, and of each kind as a multiple of it."""
    steps = {kind: stepper(name, kind, optimiser) for kind in KINDS}
    best = dict.fromkeys(KINDS, float("inf"))
    for step in steps.values():
        step(), step()  # the first ones warm up
    for _ in range(SETTINGS[name][3]):
        for kind, step in steps.items():
            began = time.perf_counter()
            step()
            best[kind] = min(best[kind], time.perf_counter() - began)
    return {"seconds": best["plain"], **{kind: best[kind] / best["plain"] for kind in KINDS[1:]}}


def products(name: str, kind: str) -> float:
    """Floating-point operations in the products and convolutions of a step."""
    step = stepper(name, kind, "SGD")
    step()  # the first shared one has a pass more
    counter = FlopCounterMode(display=False)
    with counter:
        step()
    return float(counter.get_total_flops())


def peak(name: str, kind: str) -> float:
    """MiB by which the largest size of this process grew over four steps, and over what it had before."""
    step = stepper(name, kind, "SGD")
    torch.mm(torch.randn(64, 64), torch.randn(64, 64))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the largest size so far becomes that of now
    before = largest()
    for _ in range(4):
        step()
    return largest() - before


def largest() -> float:
    """The largest size of this process in MiB, by Linux."""
    (line,) = [own for own in Path("/proc/self/status").read_text().splitlines() if own.startswith("VmHWM")]
    return float(line.split()[1]) / 1024


def peaks(name: str) -> dict[str, float]:
    """`peak` of each kind, each in a fresh process."""
    found = {}
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.adaptive", "peak", name, kind]
        found[kind] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def row(name: str, optimiser: str, memory: dict[str, float], work: dict[str, float]) -> str:
    """A line of the table."""
    title, _, batch, _ = SETTINGS[name]
    time_of = ratios(name, optimiser)
    cells = [title, batch, optimiser, f"{1000 * time_of['seconds']:.1f} ms"]
    cells += [f"{time_of[kind]:.2f} ({work[kind] / work['plain']:.2f})" for kind in KINDS[1:]]
    cells += [f"{memory['plain']:.0f} MiB", *(f"{memory[kind] / memory['plain']:.2f}" for kind in KINDS[1:])]
    return f"| {' | '.join(map(str, cells))} |"


def write(rows: list[str]) -> None:
    """The page."""
    heads = ("model", "batch", "optimiser", "plain step", "validation", "shared")
    memory = ("plain memory", "validation", "shared")
    lines = [
        "# What online adaptation costs",
        "",
        "`python -m benchmarks.adaptive` wrote this: a step of `symloss.OnlineLossLearner` as a multiple",
        "of a plain step with cross-entropy, with a meta batch of validation data, and with one that is the",
        "next training batch, whose pass is shared. In brackets the same for the operations in products and",
        "convolutions alone, as they are counted. Memory is the growth of a fresh process over four steps.",
        "",
        "What bounds it: in a layer a plain step makes three products, one forwards and two backwards.",
        "Here a step goes forwards and backwards once more for the task loss, and pushes the optimiser's",
        "step to the outputs, which takes two: eight thirds, or seven thirds where one of the passes",
        "forwards is shared; a little less in the first layer, whose inputs do not move, and more by the",
        "loss network.",
        "",
        f"| {' | '.join((*heads, *memory))} |",
        f"|{'---|' * 9}",
        *rows,
        "",
        f"{machine()}. Steps were timed in turns; the fastest of each kind counts.",
        "",
    ]
    PAGE.write_text("\n".join(lines))


def command() -> None:
    torch.set_num_threads(1)  # two would wait for one another where other work is done as well
    if sys.argv[1:2] == ["peak"]:
        print(peak(*sys.argv[2:4]))
        return
    help = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    help.parse_args()
    rows = []
    for name in SETTINGS:
        memory, work = peaks(name), {kind: products(name, kind) for kind in KINDS}
        for optimiser in OPTIMISERS:
            rows.append(row(name, optimiser, memory, work))
            print(rows[-1], flush=True)
            write(rows)


if __name__ == "__main__":
    command()
