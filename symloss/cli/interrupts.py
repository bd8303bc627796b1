"""Ctrl-C and the like: the first asks for a stop, the second ends at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit status of work that Ctrl-C stopped, as shells have it."""

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def polite_interrupts(note: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """The first SIGINT or SIGTERM asks to stop after the running step, the second raises KeyboardInterrupt.

    note: is told a line when a stop has been asked for. Yields whether it has.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        note("stopping after this step; press Ctrl-C again to stop at once")

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
