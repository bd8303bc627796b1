"""What to do about a run that is to go on under other circumstances than those in which it began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from symloss.errors import RunError


def answer_changes(
    what: str, path: Path, changes: Sequence[str], force: bool, say: Callable[[str], None]
) -> None:
    """Refuse to go on if anything has changed; with `force` only say what.

    what: the kind of run, as in "search". changes: clauses such as "torch is 2.13.0 and was 2.12.0".
    Raises RunError.
    """
    if changes and not force:
        raise RunError(
            f"the {what} in '{path}' would not end as it would have: {'; '.join(changes)}; bring back what "
            "was, choose another --out, or go on all the same with --force"
        )
    for change in changes:
        say(f"going on all the same: {change}")
