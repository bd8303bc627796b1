"""`symloss fewshot`: learn from many small tasks how to learn a new one from few examples."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symloss.cli.interrupts import INTERRUPTED, polite_interrupts
from symloss.cli.progress import progress
from symloss.cli.terminal import echo
from symloss.escaping import pasted

if TYPE_CHECKING:
    from symloss.fewshot.settings import Settings


class Group(click.Group):
    """Finds `fewshot data` in a module of its own when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["train", "eval", "data"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "data":
            return super().get_command(ctx, cmd_name)
        from symloss.cli.fewshot_data import command as data

        return data


@click.group("fewshot", cls=Group)
def command() -> None:
    """Learn from many small tasks how to learn a new one from few examples."""


@command.command("train")
@click.option("--dataset", default="glyphs", metavar="NAME", help="Where tasks come from.  [default: glyphs]")
@click.option("--data", type=click.Path(), metavar="DIR", help="Folder or file of the data set.")
@click.option("--ways", type=int, default=5, metavar="N", help="Classes of a task.  [default: 5]")
@click.option("--shots", type=int, default=1, metavar="N", help="Examples of a class.  [default: 1]")
@click.option("--queries", type=int, default=15, metavar="N", help="Others to judge by.  [default: 15]")
@click.option("--data-seed", type=int, default=0, metavar="N", help="Seed of the tasks.  [default: 0]")
@click.option(
    "--method",
    default="npbml",
    metavar="NAME",
    help="maml, fomaml, meta-sgd, warpgrad, metal or npbml.  [default: npbml]",
)
@click.option("--backbone", metavar="NAME", help="conv4, resnet12, or mlp for vectors.  [default: conv4]")
@click.option("--filters", type=int, metavar="N", help="Of conv4: 32, 64, 128.  [default: 64]")
@click.option("--meta-steps", type=int, metavar="N", help="Steps of meta-training.  [default: 5000]")
@click.option("--seed", type=int, metavar="N", help="Seed of training.  [default: 0]")
@click.option("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1 or auto.  [default: auto]")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any other setting: see docs/fewshot.md."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where it is kept."
)
def train_command(
    dataset: str,
    data: str | None,
    ways: int,
    shots: int,
    queries: int,
    data_seed: int,
    assignments: tuple[str, ...],
    device: str,
    out: Path,
    **options: Any,
) -> None:
    """Learn how to learn tasks. Ctrl-C ends it after the running step; symloss resume goes on."""
    from symloss.fewshot.folder import Data
    from symloss.fewshot.training import load_task, train

    settings = _settings(options, assignments)
    where = Data(dataset=dataset, ways=ways, shots=shots, queries=queries, seed=data_seed, data=data)
    task = load_task(where)
    for note in task.notes:
        echo(note, err=True)
    name = _device(device)
    _sitting(lambda say, stop: train(settings, task, out, where, name, say, stop), out)


@command.command("eval")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--tasks", type=int, default=600, metavar="N", help="Test tasks.  [default: 600]")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def eval_command(runs: tuple[Path, ...], tasks: int, as_json: bool) -> None:
    """Judge each RUN on the same test tasks: means with 95 % intervals, and differences task by task."""
    from symloss.fewshot.judging import evaluate

    found = evaluate(runs, tasks)
    if as_json:
        echo(json.dumps([judged.as_json() for judged in found], indent=2, allow_nan=False))
        return
    for judged in found:
        echo(judged.line())


def resume_and_report(out: Path, force: bool = False) -> None:
    """Go on with a run, for `symloss resume`."""
    from symloss.fewshot.training import resume

    _sitting(lambda say, stop: resume(out, None, say, stop, force), out)


def _settings(options: dict[str, Any], assignments: tuple[str, ...]) -> Settings:
    from symloss.config import parse_assignments
    from symloss.fewshot.settings import method_settings

    network = {n: options[n] for n in ("backbone", "filters") if options[n] is not None}
    given: dict[str, Any] = {"network": network}
    if options["meta_steps"] is not None:
        given["outer"] = {"steps": options["meta_steps"]}
    if options["seed"] is not None:
        given["seed"] = options["seed"]
    return method_settings(options["method"], given, parse_assignments(assignments))


def _device(name: str) -> str:
    from symloss.making import device_of

    return str(device_of(name))


def _sitting(run: Callable[[Callable[[str], None], Callable[[], bool]], bool], out: Path) -> None:
    with progress() as (say, _), polite_interrupts(say) as stop:
        try:
            complete = run(say, stop)
        except KeyboardInterrupt:
            complete = False
    if not complete:
        begun = os.path.exists(out / "run.json")
        kept = f"what was saved is kept. Go on with: symloss resume {pasted(out)}"
        echo(f"stopped; {kept if begun else 'nothing was begun'}", err=True)
        raise SystemExit(INTERRUPTED)
    echo(f"next: symloss fewshot eval {pasted(out)}")
