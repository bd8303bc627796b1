"""What long work other than a search shows: a line for each finding, and a sign of life on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console


@contextmanager
def progress(quiet: bool = False) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Two functions: one that is told lines, and one to be called now and then. All of it on stderr.

    On a terminal the last line stands beside a clock that turns; elsewhere lines are printed as they come.
    quiet: show nothing but on a terminal.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield (lambda line: None if quiet else click.echo(line, err=True)), (lambda: None)
        return
    with console.status("preparing") as status:
        yield (lambda line: status.update(_plain(line))), (lambda: None)


def _plain(line: str) -> str:
    from rich.markup import escape

    return escape(line)
