"""`symloss export`: a loss as a file or as text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symloss.cli.losses import LossCommand, loss_options
from symloss.cli.terminal import echo

if TYPE_CHECKING:
    from symloss.export import Exported
    from symloss.records import Candidate, SymbolicLoss


@click.command("export", cls=LossCommand)
@loss_options
@click.option(
    "--format",
    "format_",
    metavar="NAME",
    help="torch, numpy, jax, onnx, latex or json.  [default: what FILE ends in, or torch]",
)
@click.option(
    "--digits",
    type=click.IntRange(1, 17),
    metavar="N",
    help="Round constants to N significant digits; the cost is shown.",
)
@click.option(
    "--rescore",
    is_flag=True,
    help="With --digits: train under the rounded constants too and show the metric.",
)
@click.option(
    "--guards",
    type=click.Choice(["keep", "drop"]),
    default="keep",
    show_default=True,
    help="The floor of logarithms of probabilities, 1e-7, which a search has: kept, or left out.",
)
@click.option(
    "--learnable", is_flag=True, help="torch: make the constants parameters, to train them further."
)
@click.option("--standalone", is_flag=True, help="latex: a whole document that compiles.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE instead of standard output.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def command(
    source: str,
    kind: str | None,
    rank: int | None,
    id_: int | None,
    format_: str | None,
    digits: int | None,
    rescore: bool,
    guards: str,
    learnable: bool,
    standalone: bool,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Write LOSS as standalone code or LaTeX.

    LOSS is the folder of a search, an exported file, a name of the catalogue such as focal or
    "focal(gamma=1)", or a formula.
    Code is executed in a process without symloss and compared with the loss, value and gradient, before
    anything is written.
    """
    from symloss.cli.losses import loaded
    from symloss.export import export_code, write_export
    from symloss.export.targets import target_named, target_of
    from symloss.records import Kind

    # An unknown format is refused before anything is read.
    format_ = (target_of(output.name if output else "") if format_ is None else target_named(format_)).name
    found = loaded(source, kind, rank, id_)
    if rescore and (digits is None or found.candidate is None):
        raise click.UsageError("--rescore is for a candidate of a search, together with --digits")
    options: dict[str, Any] = {
        "digits": digits,
        "header": found.header,
        "guards": guards == "keep",
        "learnable": learnable,
        "standalone": standalone,
    }
    if rescore and found.candidate is not None:
        options["rescore"] = partial(_told_again, Path(source), found.candidate)
    chosen = found.candidate or found.loss
    if output is None:
        exported = export_code(chosen, format_, **options)
        if isinstance(exported.content, bytes):
            raise click.UsageError(f"the format {format_} is not text: give a file with --output")
        echo(exported.text, nl=not exported.text.endswith("\n"))
    else:
        exported = write_export(chosen, output, format_, **options, overwrite=overwrite)
        echo(f"wrote {output}", err=True)
    _tell(exported)
    if exported.loss.kind is Kind.REGRESSION and found.header.standardised:
        echo(f"note: {found.header.standardised}; scale targets likewise where it is used", err=True)


def _told_again(run: Path, candidate: Candidate, written: SymbolicLoss) -> str:
    """What the loss as it is written costs in the metric."""
    from symloss.cli.terminal import warn
    from symloss.rescore import rescored

    sentence = rescored(run, candidate, written.expression, warn).sentence
    echo(sentence, err=True)
    return sentence


def _tell(exported: Exported) -> None:
    if exported.rounding is not None:
        echo(exported.rounding.sentence, err=True)
    if exported.verification is not None:
        echo(exported.verification.verdict, err=True)
