"""`symloss evaluate`: losses compared under one budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symloss.cli.interrupts import INTERRUPTED, polite_interrupts
from symloss.cli.losses import LossCommand
from symloss.cli.progress import progress
from symloss.cli.tasks import task_given, task_options
from symloss.cli.terminal import echo, make_console, warn
from symloss.errors import StoppedError
from symloss.escaping import pasted

if TYPE_CHECKING:
    from symloss.evaluation.settings import EvaluationSettings


@click.command("evaluate", cls=LossCommand)
@click.argument("losses", nargs=-1, required=True, metavar="LOSS...")
@click.option(
    "--against",
    multiple=True,
    metavar="LOSSES",
    help="What to compare with, divided by commas; 'all' is every published loss.  [default: the usual one]",
)
@task_options
@click.option("--metrics", metavar="NAMES", help="More metrics to report, divided by commas.")
@click.option("--seeds", type=int, metavar="N", help="Fresh networks for each loss.  [default: 20]")
@click.option(
    "--choosing-seeds", type=int, metavar="N", help="Networks for each learning rate tried.  [default: 5]"
)
@click.option("--steps", type=int, metavar="N", help="Optimiser steps of every network.  [default: 2000]")
@click.option("--own-parameters", is_flag=True, help="Try the usual values of focal's gamma and the like.")
@click.option("--seed", type=int, metavar="N", help="Seed of everything random.  [default: 0]")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any other setting of the budget."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep trials and reports here. Given again, what is there is not trained again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(
    losses: tuple[str, ...],
    against: tuple[str, ...],
    metrics: str | None,
    assignments: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare each LOSS with others, all under the same budget.

    LOSS is the folder of a search, an exported file, a name of the catalogue such as focal, a formula, or
    your own as file.py:function; "balanced(LOSS)" weights samples so that all classes weigh the same. Every
    loss gets its learning rate from the same grid on validation data, is trained from fresh seeds, and tested
    once. The task is that of the search, unless options say otherwise.
    """
    evaluate_and_report(_settings(losses, against, metrics, assignments, options), out, as_json)


def evaluate_and_report(settings: EvaluationSettings, out: Path | None, as_json: bool = False) -> None:
    """Evaluate, showing progress, and print the outcome."""
    from symloss.evaluation.comparing import evaluate

    try:
        with progress(quiet=as_json) as (say, tick), polite_interrupts(say) as stop:
            found = evaluate(settings, out, say, tick, stop, warn)
    except (KeyboardInterrupt, StoppedError):
        kept = f"; what was trained is kept. Go on with: symloss resume {pasted(out)}" if out else ""
        echo(f"stopped{kept}", err=True)
        raise SystemExit(INTERRUPTED) from None
    if as_json:
        echo(json.dumps(found.as_json(), indent=2, allow_nan=False))
        return
    from symloss.evaluation.tables import as_rich

    console = make_console(highlight=False)
    console.print(as_rich(found, console.width))
    if out is not None:
        echo(f"wrote results.json, report.md, report.tex and curves into {out}", err=True)


def _settings(
    losses: tuple[str, ...],
    against: tuple[str, ...],
    metrics: str | None,
    assignments: tuple[str, ...],
    options: dict[str, Any],
) -> EvaluationSettings:
    from symloss.evaluation.contestants import source_of
    from symloss.evaluation.reading import budget_of, evaluation_settings, task_settings

    budget = {
        name: value
        for name, value in options.items()
        if name in BUDGET_FIELDS and value is not None and value is not False
    }
    return evaluation_settings(
        losses,
        [name for given in against for name in divided(given)],
        task_settings([source_of(loss) for loss in losses], task_given(options)),
        divided(metrics or ""),
        budget_of(budget, options.get("steps"), assignments),
    )


BUDGET_FIELDS = ("seeds", "choosing_seeds", "own_parameters", "seed")


def divided(text: str) -> list[str]:
    """The names in a text, divided by commas that stand in no bracket."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [name.strip() for name in found if name.strip()]
