"""`symloss fewshot data`: what few-shot data there are, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from symloss.cli.terminal import echo

if TYPE_CHECKING:
    from symloss.fewshot.episodes import FewShotTask


@click.command("data")
@click.option("--dataset", metavar="NAME", help="What to show; without it, all data are listed.")
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="Where data files are looked for."
)
@click.option("--ways", type=int, default=5, metavar="N", show_default=True, help="Classes of an episode.")
@click.option("--shots", type=int, default=1, metavar="N", show_default=True, help="Support of each class.")
@click.option(
    "--queries", type=int, default=15, metavar="N", show_default=True, help="Queries of each class."
)
@click.option("--seed", type=int, default=0, metavar="N", show_default=True, help="Seed of the episodes.")
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default="test",
    show_default=True,
    help="Which episodes the contact sheet has.",
)
@click.option(
    "--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a contact sheet of episodes."
)
def command(
    dataset: str | None,
    data: Path | None,
    ways: int,
    shots: int,
    queries: int,
    seed: int,
    split: str,
    png: Path | None,
) -> None:
    """List few-shot data, or show what is in some.

    NAME is one of the list, or your own: folder:PATH for a folder of class/image files, or file.py:function.
    """
    from symloss.fewshot.episodes import FEWSHOT_DATA, make_fewshot

    if dataset is None:
        if png is not None:
            raise click.UsageError("--png needs --dataset NAME")
        for name, about in FEWSHOT_DATA.items():
            echo(f"{name:16} {about}")
        return
    task = make_fewshot(dataset, ways, shots, queries, seed, data)
    _describe(task)
    if png is not None:
        from symloss.fewshot.episodes.sheet import write_sheet

        write_sheet(task, png, split)
        echo(f"wrote {png}")


def _describe(task: FewShotTask) -> None:
    shape = "x".join(map(str, task.train.shape))
    echo(f"{task.name}: {task.train.kind.value}, inputs {shape}")
    echo(f"{task.ways}-way {task.shots}-shot, {task.queries} queries of each class")
    for note in task.notes:
        echo(f"  {note}")
