"""How commands are told which loss is meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from symloss.sources import LoadedLoss

KINDS = ("multiclass", "binary", "regression")


class LossCommand(click.Command):
    """A command whose losses may be formulas that start with a minus, which look like options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, a formula with a space before it so that it is not taken for an option."""
        rest = super().parse_args(ctx, [f" {own}" if _FORMULA.match(own) else own for own in args])
        for name, value in ctx.params.items():
            if isinstance(value, str):
                ctx.params[name] = _restored(value)
            elif isinstance(value, tuple):
                ctx.params[name] = tuple(map(_restored, value))
        return rest


_FORMULA = re.compile(r"-[^-].*[(*+\s]")
"""A minus and what no option has: a parenthesis, an operator or a space. `-p` alone needs `--` before it."""


def _restored(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith(" -") else value


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
