"""What long work other than a search shows: a line for each finding, and a sign of life on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from symloss.cli.terminal import echo, make_console


@contextmanager
def progress(quiet: bool = False) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Two functions: one that is told lines, and one to be called now and then. All of it on stderr.

    On a terminal the last line stands beside a clock that turns; elsewhere lines are printed as they come.
    quiet: show nothing but on a terminal.
    """
    from rich.text import Text

    console = make_console(stderr=True)
    if not console.is_terminal:
        yield (lambda line: None if quiet else echo(line, err=True)), (lambda: None)
        return
    with console.status("preparing") as status:
        yield (lambda line: status.update(Text(line))), (lambda: None)
