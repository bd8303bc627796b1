"""Exported losses against torch's own: time and memory of a forward and a backward pass.

    python -m benchmarks.exported_losses            # a few minutes; writes docs/export-speed.md, or _cuda
    python -m benchmarks.exported_losses --quick    # a few seconds; prints

Every loss is timed in turn, in rounds of changing order; reported is the median over rounds of the ratio to
torch's own cross-entropy. Nothing else should be running.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.measure import interleaved, report_file, wait, with_peak_memory
from symloss.benchmark.machine import machine
from symloss.export import Header
from symloss.export.forms import careful_form
from symloss.export.read import read_export
from symloss.export.runner import load
from symloss.export.targets import TARGETS
from symloss.losses.catalogue import CATALOGUE
from symloss.records import SymbolicLoss

TOP = Path(__file__).resolve().parent.parent

SIZES = [(10, 128), (100, 128), (1000, 128), (1000, 1024), (10_000, 128), (32_000, 64), (128_000, 16)]
"""Classes and samples of a batch."""

SECONDS = 1.5
"""About how long each loss is timed at each size."""

CROSS_ENTROPY, SMOOTHING = "torch cross_entropy", "torch cross_entropy, label_smoothing=0.1"
EXPORTED = ["cross-entropy", "sparse-lsr", "generalised-cross-entropy", "focal", "brier"]
FAR = "sparse-lsr, one sample whose true class is e^70 times likelier than all others together"
DISCOVERED = "digits_label_noise"

LossFunction = Callable[[Tensor, Tensor], Tensor]


def exported(loss: SymbolicLoss) -> LossFunction:
    """The function of the exported PyTorch file."""
    function: LossFunction = load(TARGETS["torch"].emit(careful_form(loss), Header())).loss
    return function


def contestants() -> dict[str, LossFunction]:
    """Those of torch, the exported catalogue, and a loss that a search found."""
    found = {
        CROSS_ENTROPY: functional.cross_entropy,
        SMOOTHING: lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1),
        **{name: exported(CATALOGUE[name].loss()) for name in EXPORTED},
    }
    return {**found, DISCOVERED: exported(read_export(TOP / "exported" / f"{DISCOVERED}.json").loss)}


def work(loss: LossFunction, z: Tensor, y: Tensor) -> Callable[[], Any]:
    """A forward and a backward pass to the outputs."""

    def run() -> None:
        leaf = z.detach().requires_grad_()
        loss(leaf, y).backward()  # type: ignore[no-untyped-call]

    return run


@dataclass(frozen=True)
class Timing:
    """Seconds of each contestant at a size, round by round."""

    classes: int
    batch: int
    seconds: dict[str, list[float]]

    def ratio(self, name: str, to: str) -> float:
        """Median over rounds: within a round, a slow moment of the machine is the same for both."""
        pairs = zip(self.seconds[name], self.seconds[to], strict=True)
        return statistics.median(own / other for own, other in pairs)


def timed(classes: int, batch: int, seconds: float, device: torch.device) -> Timing:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(batch, classes, generator=generator).to(device)
    y = torch.randint(classes, (batch,), generator=generator).to(device)
    losses = contestants()
    works = {name: work(loss, z, y) for name, loss in losses.items()}
    far = z.clone()
    far[0, y[0]] = 70.0 + math.log(classes)
    works[FAR] = work(losses["sparse-lsr"], far, y)
    for run in works.values():
        for _ in range(3):
            run()
    wait(device)
    trial = statistics.median(interleaved([works[SMOOTHING]], 10, device)[0])
    repeats = max(15, min(2000, int(seconds / trial)))
    times = interleaved(list(works.values()), repeats, device)
    return Timing(classes, batch, dict(zip(works, times, strict=True)))


def memory(classes: int, batch: int) -> dict[str, float | None]:
    """How much more memory than the logits each pass needs at most, in units of the logits' size."""
    z, y = torch.randn(batch, classes), torch.randint(classes, (batch,))
    size = z.numel() * 4 / 2**20

    def measured(loss: LossFunction) -> float | None:
        def once() -> float:
            work(loss, z, y)()
            return 0.0

        grown = with_peak_memory(once)[1]
        return None if grown is None else grown / size

    return {name: measured(loss) for name, loss in contestants().items()}


# --- the report -----------------------------------------------------------------------------------


def time_table(timings: list[Timing]) -> list[str]:
    names = [name for name in timings[0].seconds if name not in (CROSS_ENTROPY, FAR)]
    lines = [f"| classes x batch | {CROSS_ENTROPY} | " + " | ".join(names) + " |"]
    lines.append("|" + "---|" * (len(names) + 2))
    for timing in timings:
        cells = [
            f"{timing.classes} x {timing.batch}",
            f"{statistics.median(timing.seconds[CROSS_ENTROPY]) * 1e6:.0f} us",
        ]
        cells += [f"{timing.ratio(name, CROSS_ENTROPY):.2f}" for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def goals(timings: list[Timing]) -> list[str]:
    """What is promised, and what was measured."""
    sizes = [f"{t.classes} x {t.batch}" for t in timings]
    lines = ["| | " + " | ".join(sizes) + " |", "|" + "---|" * (len(timings) + 1)]
    ratios = [f"{t.ratio('cross-entropy', CROSS_ENTROPY):.2f}" for t in timings]
    lines.append(
        f"| exported cross-entropy, time against torch's (goal: 1.05 at most) | {' | '.join(ratios)} |"
    )
    ratios = [f"{t.ratio(SMOOTHING, 'sparse-lsr'):.2f}" for t in timings]
    lines.append(
        f"| SparseLSR, times faster than label smoothing (goal: 1 from 1,000 classes, 1.5 from 10,000) "
        f"| {' | '.join(ratios)} |"
    )
    ratios = [f"{t.ratio(SMOOTHING, FAR):.2f}" for t in timings]
    lines.append(f"| the same for {FAR} | {' | '.join(ratios)} |")
    return lines


def memory_table(found: dict[str, float | None]) -> list[str]:
    lines = ["| loss | memory beyond the logits, in units of their size |", "|---|---|"]
    return lines + [f"| {name} | {'-' if own is None else f'{own:.1f}'} |" for name, own in found.items()]


TEXT = """
# How fast exported losses are

Written by `python -m benchmarks.exported_losses`. One forward and one backward pass from logits and class
ids, float32, mean. Time as a multiple of torch's own cross-entropy, median over rounds of passes in turn.

{machine}

{times}

{goals}

cross-entropy is recognised and handed to torch. sparse-lsr, generalised-cross-entropy and focal need the true
class alone: one function computes its log-probability or log-odds with a single buffer, which becomes the
gradient. brier and the discovered loss have a term for every class. Below some ten thousand numbers the time
is that of calling small operations, of which a formula has more than torch's one. Samples whose true class is
e^60 times likelier than the others, or less likely, are near underflow: they are computed once more by
themselves, and where they are over a quarter of the batch, all of it is. Memory that the allocator gives back
to the system between passes is dear to get again, and whether it does so differs from run to run: where it
does, losses with fewer buffers gain.

Peak memory of a pass with {classes} classes and a batch of {batch}, the gradient included:

{memory}
"""


def report(timings: list[Timing], size: tuple[int, int], device: torch.device) -> str:
    found = memory(*size) if device.type == "cpu" else {}
    return TEXT.format(
        machine=machine(device),
        times="\n".join(time_table(timings)),
        goals="\n".join(goals(timings)),
        classes=size[0],
        batch=size[1],
        memory="\n".join(memory_table(found)),
    ).lstrip()


MEMORY_SIZE = (32_000, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few repeats, small sizes; print and write nothing"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    sizes = SIZES[:3] if options.quick else SIZES
    timings = [timed(*size, 0.2 if options.quick else SECONDS, device) for size in sizes]
    size = (1000, 512) if options.quick else MEMORY_SIZE
    text = report(timings, size, device)
    print(text)
    if not options.quick:
        report_file("export-speed", device).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
