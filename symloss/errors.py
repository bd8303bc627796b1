"""What went wrong, in one sentence that a user can act on.

Every error a user can cause is a `SymlossError`: the command line prints its message and exits with
a non-zero status; the Python API raises it. Anything else that escapes is a bug in symloss.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

LONGEST = 2_500
"""Most characters of a message. It names what was found, which may be as long as the file it stands in."""


class SymlossError(Exception):
    """Base of all errors whose message is written for the user."""

    def __init__(self, message: str = "") -> None:
        if len(message) > LONGEST:
            message = f"{message[: LONGEST - 600]} ... {message[-500:]}"
        super().__init__(message)


class ExpressionError(SymlossError):
    """A formula that cannot be read or built."""


class GrammarError(SymlossError):
    """A grammar file that cannot be read, or that cannot produce a valid loss."""


class TaskError(SymlossError):
    """A task, data set, base model or metric that is unknown or unusable."""


class ConfigError(SymlossError):
    """A setting with an unknown name or an impossible value."""


class NotFittedError(SymlossError, AttributeError):
    """A search in Python that has not been made yet, whose results are asked for."""


class RunError(SymlossError):
    """A run folder that is missing, taken, or damaged."""


class ExportError(SymlossError):
    """A loss that cannot be exported, or whose exported code disagrees with it."""


class ReportError(SymlossError):
    """A figure that cannot be written."""


class WorkerError(SymlossError):
    """A process that did part of the work and could not finish it."""


class StoppedError(SymlossError):
    """Work that was asked to stop, and has: everything up to here is kept where it is kept at all."""

    def __init__(self) -> None:
        super().__init__("stopped, as was asked for")


class SymlossWarning(UserWarning):
    """What a user should know although the work goes on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown `name`: the nearest known one, or all of them.

    Capital and small letters are the same here, so that MLP is near to mlp.
    """
    names = sorted(known)
    folded = {own.casefold(): own for own in names}
    close = difflib.get_close_matches(name[:200].casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?{strange_letters(name)}"
    more = f" and {len(names) - MOST_KNOWN} more" if len(names) > MOST_KNOWN else ""
    return f"known are: {', '.join(names[:MOST_KNOWN])}{more}{strange_letters(name)}"


MOST_KNOWN = 100
"""Most known names in a sentence: a table may have a hundred thousand columns."""


def strange_letters(name: str) -> str:
    """What the eye cannot tell in a name that should be ASCII, such as ' (it has U+0430 ...)', or ''."""
    strange = list(dict.fromkeys(letter for letter in name if not " " <= letter <= "~"))
    said = [f"U+{ord(own):04X} {unicodedata.name(own, 'without a name')}" for own in strange[:3]]
    return f" (it has {', '.join(said)}{', ...' if len(strange) > 3 else ''})" if said else ""


def pointed_at(text: str, line: int, column: int) -> str:
    """Line `line` of `text` with a caret under `column` (both counted from 1).

    A window around the column is shown, so that a very long line stays readable.
    """
    lines = text.split("\n")  # as parsers count; splitlines() also ends lines at form feeds and the like
    shown = "".join(c if c.isprintable() else " " for c in lines[min(max(line, 1), len(lines)) - 1])
    start = max(0, column - 1 - 60)
    window = shown[start : start + 100]
    return f"    {window}\n    {' ' * (column - 1 - start)}^"


def a_type(value: object) -> str:
    """The type of a value with its article: "a float", "an int"."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
