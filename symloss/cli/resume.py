"""`symloss resume`: go on with an interrupted search."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Go on with the interrupted search in the folder RUN, from its last finished generation."""
    from symloss.cli.sitting import resume_and_report

    resume_and_report(run)
