"""`symloss train-loss`: a loss that is a network, learned by differentiating through training."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symloss.cli.folders import chosen_folder
from symloss.cli.interrupts import INTERRUPTED, polite_interrupts
from symloss.cli.progress import progress
from symloss.cli.tasks import task_options
from symloss.cli.terminal import echo
from symloss.errors import StoppedError
from symloss.escaping import pasted

if TYPE_CHECKING:
    from symloss.learning.run import Learned

    Run = Callable[[Callable[[str], None], Callable[[], None], Callable[[], bool]], Learned]

METHODS = ("ml3", "adalfl", "lr-offline", "lr-online")


@click.command("train-loss")
@click.argument("method", type=click.Choice(METHODS), metavar="METHOD")
@task_options
@click.option("--meta-steps", type=int, metavar="N", help="Steps of meta-training.  [default: 2500]")
@click.option("--steps", type=int, metavar="N", help="Steps of the base network.  [default: 2000]")
@click.option(
    "--adaptation-rate", type=float, metavar="RATE", help="Of the loss, meanwhile.  [default: 1e-5]"
)
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
    help="Any setting, such as network.hidden=50 or adaptation.batch=training.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run folder; must be new or empty.  [default: runs/METHOD-N]",
)
def command(
    method: str,
    meta_steps: int | None,
    steps: int | None,
    adaptation_rate: float | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    out: Path | None,
    **options: Any,
) -> None:
    """Learn a loss that is a network.

    METHOD is ml3 (meta-trained beforehand, then frozen), adalfl (goes on learning while the base network
    trains), or lr-offline or lr-online (a learning rate learned in the same ways, as their ablation). The
    loss at chosen steps of training is kept in the run folder, which evaluate, score, analyze and resume
    take.
    """
    from symloss.config import layered, parse_assignments, read_config
    from symloss.learning.run import start
    from symloss.learning.settings import LearnConfig

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for table, name, value in (
        ("offline", "steps", meta_steps),
        ("training", "steps", steps),
        ("adaptation", "rate", adaptation_rate),
    ):
        if value is not None:
            given[table] = {name: value}
    layers = [read_config(config_file)] if config_file else []
    usual = LearnConfig.usual(method)
    config = layered(LearnConfig, usual, *layers, parse_assignments(assignments), given, {"method": method})
    with chosen_folder(out, method) as folder:
        report(lambda say, tick, stop: start(config, folder, say, tick, stop), folder)


def report(run: Run, folder: Path) -> None:
    """Run, showing progress, and say what came out."""
    try:
        with progress() as (say, tick), polite_interrupts(say) as stop:
            found = run(say, tick, stop)
    except (KeyboardInterrupt, StoppedError):
        begun = os.path.exists(folder / "run.json")
        kept = f"what was saved is kept. Go on with: symloss resume {pasted(folder)}"
        echo(f"stopped; {kept if begun else 'nothing was begun'}", err=True)
        raise SystemExit(INTERRUPTED) from None
    echo(f"learned: a network trained under it has validation {found.metric} {found.cost:.4g}")
    echo(f"next: symloss analyze {pasted(folder)}")
    echo(f"      symloss evaluate {pasted(folder)}")
