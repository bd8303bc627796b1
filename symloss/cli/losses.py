"""How commands are told which loss is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from symloss.sources import LoadedLoss

KINDS = ("multiclass", "binary", "regression")


def loss_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument LOSS and the options that choose among several."""
    for option in (
        click.option("--id", "id_", type=int, metavar="ID", help="Which candidate of a search, by id."),
        click.option(
            "--rank",
            type=click.IntRange(min=1),
            metavar="N",
            help="Which candidate of a search, by rank in 'symloss show'.  [default: 1]",
        ),
        click.option("--kind", type=click.Choice(KINDS), help="The kind of task that a formula is for."),
        click.argument("source", metavar="LOSS"),
    ):
        command = option(command)
    return command


def loaded(source: str, kind: str | None, rank: int | None, id_: int | None) -> LoadedLoss:
    """The loss that is meant."""
    from symloss.records import Kind
    from symloss.sources import load_loss

    if rank is not None and id_ is not None:
        raise click.UsageError("give --rank or --id, not both")
    return load_loss(source, None if kind is None else Kind(kind), rank, id_)
