"""`symloss distill`: a loss that is code, as formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symloss.cli.losses import KINDS
from symloss.cli.tasks import task_given, task_options
from symloss.cli.terminal import echo

if TYPE_CHECKING:
    from symloss.distilling.formulas import Distilled
    from symloss.fitting.genetic import FitSettings


@click.command("distill")
@click.argument("source", metavar="LOSS")
@click.option("--at", type=click.IntRange(min=0), metavar="STEP", help="Of a learned loss: as it was then.")
@click.option(
    "--over-time",
    is_flag=True,
    help="Of a learned loss: one formula whose constants depend on the progress of training.",
)
@click.option("--kind", type=click.Choice(KINDS), help="The kind of task that a function or formula is for.")
@click.option(
    "--grammar", metavar="NAME|FILE", help="Which formulas may be proposed.  [default: by kind of task]"
)
@click.option("--engine", type=click.Choice(["deap", "pysr"]), default="deap", show_default=True)
@click.option(
    "--fit",
    "of",
    type=click.Choice(["value", "slope"]),
    default="value",
    show_default=True,
    help="What is fitted: the loss up to a constant, or its slope in the prediction.",
)
@click.option(
    "--size",
    type=click.IntRange(3, 100),
    default=20,
    show_default=True,
    metavar="N",
    help="Nodes of the largest formula.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=40.0,
    show_default=True,
    metavar="N",
    help="How long formulas are fitted, before they are trained.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of everything random."
)
@task_options
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting of the training that follows.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Tune and train the formulas, as a run in this folder, which must be new or empty.",
)
def command(
    source: str,
    at: int | None,
    over_time: bool,
    kind: str | None,
    grammar: str | None,
    engine: str,
    of: Any,
    size: int,
    seconds: float,
    seed: int,
    assignments: tuple[str, ...],
    out: Path | None,
    **options: Any,
) -> None:
    """Fit formulas to a loss: from a network to a formula.

    LOSS is the folder of a learned loss, a function path/to/file.py:name of predictions and targets, or what
    'symloss export' takes: a run, an exported file, a name of the catalogue, a formula.

    Without --out the formulas are shown. With it they are tuned and trained on the task, which is that of the
    learned loss, and kept as a run: symloss show, export, evaluate and analyze take it like any other.
    """
    from symloss.config import parse_assignments, resolve
    from symloss.fitting.genetic import FitSettings

    given = {**parse_assignments(assignments), **task_given(options), "seed": seed}
    config = resolve(_learned_task(source), given)
    settings = FitSettings(largest=size, seconds=seconds, seed=seed)
    if out is not None and not over_time:
        from symloss.archive import RunFolder

        RunFolder.check_new(out)  # fitting takes a while, and would be for nothing
    if over_time:
        from symloss.cli.over_time import distil_over_time

        distil_over_time(source, grammar, settings, of, out)
        return
    found = _fitted(source, at, kind, grammar, engine, of, settings)
    _show(found)
    if out is None:
        echo("next: the same with --out DIR, to tune and train these formulas")
        return
    from symloss.cli.sitting import report
    from symloss.distilling.formulas import trained

    report(lambda watcher, stop: trained(found, config, out, WORST, watcher=watcher, stop=stop), out)


WORST = 0.7
"""Formulas that are further from the loss than this are not worth training."""


def _learned_task(source: str) -> dict[str, Any]:
    """The task on which a learned loss was learned, as settings; none for anything else."""
    from symloss.config import TaskSettings
    from symloss.fitting.sources import is_learned, record_of
    from symloss.places import found_again

    if not is_learned(source):
        return {}
    record = record_of(Path(source))
    config = {**record.config, **found_again(record.config, record.begun_in)}
    return {name: value for name, value in config.items() if name in TaskSettings.__struct_fields__}


def _fitted(
    source: str,
    at: int | None,
    kind: str | None,
    grammar: str | None,
    engine: str,
    of: Any,
    settings: FitSettings,
) -> Distilled:
    from symloss.cli.progress import progress
    from symloss.distilling.formulas import DEFAULT_GRAMMARS, distil
    from symloss.distilling.teachers import teacher_of

    teacher = teacher_of(source, kind, at)
    chosen = grammar or DEFAULT_GRAMMARS[teacher.kind]
    with progress() as (tell, _):
        tell(f"fitting formulas of grammar {chosen} to {teacher.name}")
        return distil(teacher, chosen, settings, of, engine, tell)


def _show(found: Distilled) -> None:
    from symloss.expr import format_formula

    echo("size    error  formula")
    for row in found.front:
        mark = "*" if row is found.chosen else " "
        echo(f"{row.size:4} {mark} {row.error:7.3%}  {format_formula(row.expression)}")
    echo("* the smallest whose error is at most twice the least; error: of what a constant leaves")
