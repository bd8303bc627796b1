"""`symloss benchmark`: a suite of searches and evaluations as one job."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from symloss.cli.interrupts import INTERRUPTED, polite_interrupts
from symloss.cli.progress import progress
from symloss.cli.terminal import echo
from symloss.errors import StoppedError


@click.command("benchmark")
@click.argument("suite", type=click.Path(path_type=Path), metavar="SUITE.yaml")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Runs and trials are kept here. Given again, what is there is not done again.",
)
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="DIR", help="Write results here.  [default: --out]"
)
@click.option("--case", "cases", multiple=True, metavar="NAME", help="Only this case; may be repeated.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting at the top of the suite."
)
@click.option(
    "--gallery",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a gallery of the discovered and all published losses here too.",
)
def command(
    suite: Path,
    out: Path,
    report: Path | None,
    cases: tuple[str, ...],
    assignments: tuple[str, ...],
    gallery: Path | None,
) -> None:
    """Run the searches and evaluations of a suite and write results.md and results.tex.

    A case is a task: it is searched on, and what is found compared with other losses there and on other
    models. docs/evaluation.md shows what stands in a suite.
    """
    from symloss.benchmark.suite import chosen_cases, read_suite
    from symloss.config import parse_assignments

    plan = chosen_cases(read_suite(suite, parse_assignments(assignments)), cases)

    from symloss.benchmark.finish import write_results
    from symloss.benchmark.job import run_suite

    try:
        with progress() as (say, tick), polite_interrupts(say) as stop:
            results = run_suite(plan, out, say, tick, stop)
    except (KeyboardInterrupt, StoppedError):
        echo(f"stopped; what was done is in {out}, and the same command goes on", err=True)
        raise SystemExit(INTERRUPTED) from None
    chosen = [f"--case {name}" for name in cases] + [f"--set {shlex.quote(text)}" for text in assignments]
    words = " ".join(["symloss benchmark", shlex.quote(str(suite)), *chosen])
    for name in write_results(plan, results, out, report or out, gallery, words):
        echo(f"wrote {name}")
