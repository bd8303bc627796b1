"""What reaches a terminal: nothing that a name or a file brings with it can steer it.

Commands print with `echo` and `make_console` alone; `main` takes care of errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from symloss.errors import SymlossWarning
from symloss.escaping import printable

if TYPE_CHECKING:
    from rich.console import Console

KEPT = "\n\t"
"""Signs that cannot be seen and are wanted in texts of several lines."""


def shown(text: str) -> str:
    """`text` as a terminal may have it."""
    return printable(text, KEPT)


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Print a text, on stderr if `err`."""
    click.echo(shown(str(text)), err=err, nl=nl)


def warn(sentence: str) -> None:
    """Print on stderr what a user should know although the work goes on."""
    echo(f"warning: {sentence}", err=True)


def make_console(**options: Any) -> Console:
    """A console of rich's, which colours what it is told to, and no more."""
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Plain(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            # Colours come after this, and what moves the cursor has a control of its own.
            for own in super().render(renderable, options):
                yield own if own.control else Segment(shown(own.text), own.style)

    return Plain(**options)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Within the block warnings of symloss are lines, as its errors are; others are shown as always."""
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *others: Any, **named: Any) -> None:
        if issubclass(category, SymlossWarning):
            warn(str(message))
        else:
            usual(message, category, *others, **named)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def unharmed(error: click.ClickException) -> click.ClickException:
    """The error itself, or one whose message a terminal may have."""
    message = error.format_message()
    if shown(message) == message:
        return error
    if isinstance(error, click.UsageError):
        return click.UsageError(shown(message), error.ctx)
    return click.ClickException(shown(message))
