"""`symloss data`: fetch published data sets, and see which are there."""

from __future__ import annotations

import click

from symloss.cli.terminal import echo
from symloss.escaping import pasted

_DIRECTORY = click.option(
    "--dir", "directory", metavar="DIR", help="Folder of data sets; give it to a search as --data-dir."
)


@click.group("data")
def command() -> None:
    """Fetch published data sets, or list them. Nothing else in symloss uses the network."""


@command.command("get")
@click.argument("name")
@_DIRECTORY
def get(name: str, directory: str | None) -> None:
    """Fetch the data set NAME, check it, and keep it where tasks find it.

    Images are fetched by torchvision (pip install 'symloss[data]'), tables by scikit-learn.
    """
    from symloss.tasks.fetching import fetch

    folder, new = fetch(name, directory)
    echo(f"{'fetched into' if new else 'already in'} {folder}")
    here = f" --data-dir {pasted(directory)}" if directory else ""
    echo(f"next: symloss search --task {name}{here}")


@command.command("list")
@_DIRECTORY
def show(directory: str | None) -> None:
    """List the tasks that come with symloss, and where their data are."""
    from symloss.tasks.fetching import SOURCES, found
    from symloss.tasks.names import TASKS

    for name, about in TASKS.items():
        if name not in SOURCES:
            place = "comes with symloss"
        else:
            folder = found(name, directory)
            place = f"in {folder}" if folder else f"fetch it with: symloss data get {name}"
        echo(f"{name:22} {about}")
        echo(f"{'':22} {place}")
