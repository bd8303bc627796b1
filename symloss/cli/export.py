"""`symloss export`: a candidate as a file or as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from symloss.errors import RunError

if TYPE_CHECKING:
    from symloss.api import CandidateTable, DiscoveredLoss


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", default="torch", show_default=True, metavar="NAME", help="torch, numpy or latex."
)
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    metavar="N",
    help="Which candidate, by rank in 'symloss show'.  [default: 1]",
)
@click.option("--id", "id_", type=int, metavar="ID", help="Which candidate, by id.")
@click.option(
    "--digits",
    type=click.IntRange(1, 17),
    metavar="N",
    help="Round constants to N significant digits; the cost is shown.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE instead of standard output.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def command(
    run: Path,
    format_: str,
    rank: int | None,
    id_: int | None,
    digits: int | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Write a candidate of the search in the folder RUN as standalone code or LaTeX.

    Code is executed in a process without symloss and compared with the loss that the search used, value and
    gradient, before anything is written.
    """
    from symloss.api import load_run
    from symloss.export import export_code, write_export
    from symloss.export.targets import target_named

    if rank is not None and id_ is not None:
        raise click.UsageError("give --rank or --id, not both")
    target_named(format_)  # an unknown format is refused before anything is read
    chosen = _chosen(run, load_run(run), rank, id_)
    if output is None:
        exported = export_code(chosen.candidate, format_, digits=digits, header=chosen.header)
        click.echo(exported.text)
    else:
        exported = write_export(
            chosen.candidate, output, format_, digits=digits, header=chosen.header, overwrite=overwrite
        )
        click.echo(f"wrote {output}", err=True)
    if exported.rounding is not None:
        click.echo(exported.rounding.sentence, err=True)
    if exported.verification is not None:
        click.echo(exported.verification.verdict, err=True)


def _chosen(run: Path, table: CandidateTable, rank: int | None, id_: int | None) -> DiscoveredLoss:
    if not table:
        raise RunError(f"no candidate of '{run}' could be trained, so there is nothing to export")
    if id_ is not None:
        for loss in table:
            if loss.id == id_:
                return loss
        raise RunError(f"'{run}' has no scored candidate with id {id_}; see: symloss show {run}")
    position = rank or 1
    if position > len(table):
        raise RunError(
            f"'{run}' has {len(table)} scored candidates, found rank {position}; see: symloss show {run}"
        )
    return table[position - 1]
