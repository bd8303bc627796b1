"""`symloss search`: from options to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from symloss.cli.folders import chosen_folder
from symloss.cli.tasks import task_options
from symloss.cli.terminal import echo


@click.command("search")
@task_options
@click.option(
    "--grammar", metavar="NAME|FILE", help="Which formulas may be proposed.  [default: by kind of task]"
)
@click.option(
    "--method", metavar="NAME", help="evomal, gp-lfl, taylorglo, random or given.  [default: evomal]"
)
@click.option(
    "--seeds",
    "seeds_from",
    metavar="FILE|RUN|catalogue",
    help="Start from formulas: one a line in a text file, those of a run or of a PySR hall of fame (.csv), "
    "or the published losses.",
)
@click.option("--population", type=int, metavar="N", help="Formulas per generation.")
@click.option("--generations", type=int, metavar="N", help="How many generations.")
@click.option("--time-budget", type=float, metavar="SECONDS", help="Start no new generation after this time.")
@click.option("--seed", type=int, metavar="N", help="Seed of everything random.  [default: 0]")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings as TOML or JSON.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting, such as training.steps=1000.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run folder; must be new or empty.  [default: runs/TASK-N]",
)
def command(
    config_file: Path | None,
    assignments: tuple[str, ...],
    seeds_from: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Search for a loss function.

    Formulas are proposed by genetic programming from a grammar, their constants tuned through training,
    and networks trained under each. The candidates are kept in the run folder.
    """
    from symloss.config import parse_assignments, read_config, resolve

    given = {name: value for name, value in options.items() if value is not None}
    layers = [read_config(config_file)] if config_file else []
    config = resolve(*layers, parse_assignments(assignments), given)
    if seeds_from is not None:
        from symloss.making import with_seeds

        config, said = with_seeds(config, seeds_from)
        if said:
            echo(said)
    from symloss.cli.sitting import search_and_report

    with chosen_folder(out, _stem(config.task)) as folder:
        search_and_report(config, folder)


def _stem(task: str) -> str:
    """What runs on a task are called by default: the name of its file, if it has one."""
    source = task.removeprefix("table:").partition("?")[0]
    return Path(source.partition(":")[0]).stem
