"""`symloss gallery`: a folder of losses in every language."""

from __future__ import annotations

from pathlib import Path

import click

from symloss.cli.terminal import echo


@click.command("gallery")
@click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("exported")
)
@click.option("--check", is_flag=True, help="Change nothing; fail if a file is not as it would be written.")
def command(folder: Path, check: bool) -> None:
    """Write the losses of the catalogue, and those whose JSON lies in FOLDER, in every language.

    All code is executed and compared with the formulas first.  [default: exported]
    """
    from symloss.gallery import checked, write_gallery

    if check:
        checked(folder)
        echo(f"{folder} is up to date")
        return
    for name in write_gallery(folder):
        echo(f"wrote {folder / name}")
