"""Thousands of random formulas through every target: value and gradient as the search computes them.

    python -m benchmarks.conformance                   # 3,000 formulas for PyTorch and NumPy, 200 for JAX
    python -m benchmarks.conformance --formulas 100

The test suite runs a short version. Prints how many formulas were exported with care, how many as they stand,
and each that failed; ends with status 1 if one did.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from symloss.errors import ExportError
from symloss.export import Header
from symloss.export.forms import careful_form, plain_form
from symloss.export.targets import TARGETS

TOP = Path(__file__).resolve().parent.parent
BATCH = 30


def here(helpers: Any, name: str, formulas: int, counts: Counter[str]) -> list[str]:
    """Errors of formulas executed in this process."""
    failed = []
    for seed in range(formulas // BATCH):
        for loss in helpers.random_losses(1000 + seed, BATCH):
            try:
                helpers.checked_here(loss, name, TARGETS[name].emit(careful_form(loss), Header()))
                counts["careful"] += 1
            except ExportError:
                try:
                    helpers.checked_here(loss, name, TARGETS[name].emit(plain_form(loss), Header()))
                    counts["plain"] += 1
                except ExportError as error:
                    failed.append(f"{loss.kind.value}: {loss.expression}: {error}")
    return failed


def elsewhere(helpers: Any, name: str, formulas: int, counts: Counter[str]) -> list[str]:
    """Errors of formulas executed in a process of their own."""
    failed = []
    for seed in range(max(formulas // BATCH // 15, 1)):
        found = dict.fromkeys(helpers.random_losses(1000 + seed, BATCH), "")
        for kind, form_of in (("careful", careful_form), ("plain", plain_form)):
            written, refused = [], {}
            for loss in found:
                try:
                    written.append((loss, TARGETS[name].emit(form_of(loss), Header())))
                except ExportError as error:
                    refused[loss] = str(error)
            differing = helpers.checked_elsewhere(written, name, 3000.0) if written else {}
            counts[kind] += len(written) - len(differing)
            found = {**refused, **differing}
        failed += [f"{loss.kind.value}: {loss.expression}: {error}" for loss, error in found.items()]
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formulas", type=int, default=3000)
    formulas = parser.parse_args().formulas
    sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests" / "export")]
    import export_helpers

    wrong = False
    for name, run in (("torch", here), ("numpy", here), ("jax", elsewhere)):
        counts: Counter[str] = Counter()
        failed = run(export_helpers, name, formulas, counts)
        print(f"{name}: {counts['careful']} with care, {counts['plain']} as they stand, {len(failed)} failed")
        for line in failed:
            print("   ", line)
        wrong = wrong or bool(failed)
    sys.exit(int(wrong))


if __name__ == "__main__":
    main()
