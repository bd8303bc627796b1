"""`symloss verify`: whether an exported file still computes what it says."""

from __future__ import annotations

from pathlib import Path

import click

from symloss.cli.terminal import echo


@click.command("verify")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE...")
def command(files: tuple[Path, ...]) -> None:
    """Check exported files: execute them again and compare them with the formulas in their headers.

    They run in a process without symloss, with limits on time and memory.
    """
    from symloss.errors import ExportError
    from symloss.export.verify import verify_file

    failed = 0
    for file in files:
        try:
            verification = verify_file(file)
        except ExportError as error:
            if len(files) == 1:
                raise
            echo(f"{file}: {error}", err=True)
            failed += 1
        else:
            echo(f"{file}: {verification.verdict}")
    if failed:
        raise click.ClickException(f"{failed} of {len(files)} files did not pass")
