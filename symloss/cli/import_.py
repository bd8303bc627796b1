"""`symloss import`: an exported file, with the constants it was trained to, as a formula again."""

from __future__ import annotations

from pathlib import Path

import click

from symloss.cli.terminal import echo


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the constants from a state_dict saved by torch.save.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.json", help="Write the loss as JSON."
)
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def command(file: Path, state: Path | None, output: Path | None, overwrite: bool) -> None:
    """Read an exported FILE back into a formula. Nothing in it is executed.

    The JSON that it writes can be given to 'symloss export' and 'symloss analyze'.
    """
    from symloss.export import write_export
    from symloss.export.header import Header
    from symloss.export.read import constants_in, read_export, with_values

    found = read_export(file)
    loss = found.loss if state is None else with_values(found.loss, constants_in(state))
    if output is not None:
        header = Header(title=found.name or "A loss function")
        write_export(loss, output, "json", header=header, overwrite=overwrite)
        echo(f"wrote {output}", err=True)
    else:
        echo(str(loss.expression))
