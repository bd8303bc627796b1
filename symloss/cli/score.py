"""`symloss score`: one number for a loss."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from symloss.cli.interrupts import INTERRUPTED
from symloss.cli.losses import LossCommand
from symloss.cli.progress import progress
from symloss.cli.tasks import task_given, task_options
from symloss.cli.terminal import echo, warn


@click.command("score", cls=LossCommand)
@click.argument("loss", metavar="LOSS")
@task_options
@click.option("--seeds", type=int, metavar="N", help="Networks for each learning rate tried.  [default: 5]")
@click.option("--learning-rate", type=float, metavar="RATE", help="Try this rate alone.")
@click.option("--steps", type=int, metavar="N", help="Optimiser steps of every network.  [default: 2000]")
@click.option("--seed", type=int, metavar="N", help="Seed of everything random.  [default: 0]")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any other setting of the budget."
)
@click.option("--json", "as_json", is_flag=True, help="Print the score and how it came about as JSON.")
def command(loss: str, assignments: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Print how good LOSS is: its mean validation cost at the learning rate that suits it best.

    Lower is better; inf (null in JSON) if some training diverged at every rate. LOSS takes the forms that
    'symloss evaluate' takes. The test data are not looked at, so that another program may use this number to
    choose.
    """
    from symloss.evaluation.comparing import score
    from symloss.evaluation.contestants import source_of
    from symloss.evaluation.reading import budget_of, task_settings

    seeds = {"choosing_seeds": options["seeds"], "seed": options["seed"]}
    given: dict[str, Any] = {name: value for name, value in seeds.items() if value is not None}
    if options["learning_rate"] is not None:
        given |= {"learning_rates": [options["learning_rate"]], "widen": 0}
    task = task_settings([source_of(loss)], task_given(options))
    budget = budget_of(given, options["steps"], assignments)
    try:
        with progress(quiet=True) as (_, tick):
            found = score(loss, task, budget, tick, warn)
    except KeyboardInterrupt:
        echo("stopped", err=True)
        raise SystemExit(INTERRUPTED) from None
    if as_json:
        echo(json.dumps(asdict(found), allow_nan=False))
    else:
        echo("inf" if found.score is None else repr(found.score))
