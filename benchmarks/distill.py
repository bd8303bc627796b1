"""Whether `symloss distill` finds a known loss again in a network that was trained to imitate it.

    python -m benchmarks.distill            # some minutes; writes docs/distill-recovery.md
    python -m benchmarks.distill --quick    # cross-entropy alone; prints

The network is the loss network of AdaLFL with random weights, fitted to the values of the loss. Only the
network is given to the distillation. What is found is then compared with the loss itself.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.imitation import imitated
from symloss.benchmark.machine import machine
from symloss.distilling.formulas import DEFAULT_GRAMMARS, Distilled, distil
from symloss.expr import format_formula
from symloss.fitting.constants import error_of
from symloss.fitting.genetic import FitSettings
from symloss.fitting.samples import usual_domain
from symloss.fitting.sources import symbolic_teacher
from symloss.losses.catalogue import handcrafted
from symloss.records import Kind

REPORT = Path(__file__).resolve().parent.parent / "docs" / "distill-recovery.md"

LOSSES = [
    ("cross-entropy", Kind.MULTICLASS),
    ("focal", Kind.MULTICLASS),
    ("huber", Kind.REGRESSION),
]

SECONDS = 40.0
"""Of search for each loss; the last look at the front comes on top."""


@dataclass(frozen=True)
class Row:
    """imitation: error of the network. found: what was chosen. error: of it, against the loss itself."""

    name: str
    kind: Kind
    imitation: float
    found: Distilled
    error: float
    best_error: float
    best: str
    seconds: float


def measure(name: str, kind: Kind, seconds: float = SECONDS, steps: int = 3000) -> Row:
    """One loss: imitate it, distil the imitation, and compare with the loss."""
    original = symbolic_teacher(handcrafted(name, kind).loss(kind), name, 10)
    assert original.domain.prediction.shape == usual_domain(kind).prediction.shape
    copy = imitated(original, steps)
    truth, samples = original.samples("value"), copy.samples("value")
    left = samples.wanted / samples.size
    right = truth.wanted / truth.size
    imitation = math.sqrt(max(0.0, 1.0 - float(left @ right) ** 2))
    began = time.perf_counter()
    found = distil(copy, DEFAULT_GRAMMARS[kind], FitSettings(seconds=seconds))
    took = time.perf_counter() - began
    errors = [(error_of(row.expression, truth), row) for row in found.front]
    best_error, best = min(errors, key=lambda pair: pair[0])
    return Row(
        name,
        kind,
        imitation,
        found,
        error_of(found.chosen.expression, truth),
        best_error,
        format_formula(best.expression),
        took,
    )


def report(rows: list[Row]) -> str:
    """The page."""
    lines = [
        "# Known losses found again in networks",
        "",
        "Written by `python -m benchmarks.distill`. A loss network of AdaLFL was fitted to the values of a "
        "loss, and `symloss distill` was given the network alone. All errors are root mean squares up to "
        "scale and to what no network sees, as a fraction of what a constant leaves. *Chosen* is what the "
        "command marks; *nearest* is the formula of its front that is nearest to the loss itself.",
        "",
        "| loss | network to loss | chosen | size | chosen to loss | nearest | nearest to loss | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        chosen = row.found.chosen
        lines.append(
            f"| {row.name} | {row.imitation:.2%} | `{format_formula(chosen.expression)}` | {chosen.size} "
            f"| {row.error:.2%} | `{row.best}` | {row.best_error:.2%} | {row.seconds:.0f} |"
        )
    return "\n".join([*lines, "", f"Measured on {machine()}.", ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="cross-entropy alone, for some seconds; prints")
    quick = parser.parse_args().quick
    rows = [measure(name, kind, 5.0 if quick else SECONDS) for name, kind in LOSSES[: 1 if quick else None]]
    text = report(rows)
    if quick:
        print(text)
    else:
        REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
