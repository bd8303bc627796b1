"""What pieces of work are told, and what may come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from symloss.errors import StoppedError, SymlossError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
Tick = Callable[[], None]


@dataclass(frozen=True)
class Lost:
    """A piece of work that came to nothing.

    how:    "failed" (it raised), "timed-out", "out-of-memory", or "killed" (its process ended, twice).
    reason: in words, on one line.
    error:  what it raised, if it raised something that can be raised again here.
    """

    how: str
    reason: str
    error: BaseException | None = field(default=None, compare=False)


_stop: ContextVar[Callable[[], bool]] = ContextVar("_stop", default=lambda: False)


@contextmanager
def stopping(stop: Callable[[], bool]) -> Iterator[None]:
    """Within the block, no piece of work is begun once `stop()` is true: those that run are finished, what
    `attempted` tells its caller is told, and StoppedError is raised.
    """
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def asked_to_stop() -> Callable[[], bool]:
    """The `stop` of the innermost `stopping` around the call."""
    return _stop.get()


def check_stop() -> None:
    """Raise StoppedError if no further piece may begin."""
    if _stop.get()():
        raise StoppedError


@dataclass(frozen=True)
class Terms:
    """How pieces are worked on: see `parallel.attempted`.

    spare: the failure of one does not end the others.
    """

    tick: Tick
    silence: float | None = None
    done: Callable[[int, Any], None] = lambda index, result: None
    spare: bool = False


FAILURES = (Exception, SystemExit)
"""What a piece may raise without ending everything. A user's code may call sys.exit."""


def lost(error: BaseException) -> Lost:
    """What a piece that raised `error` came to."""
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    plain = str(error) if isinstance(error, SymlossError) else f"{type(error).__name__}: {error}"
    reason = " ".join(plain.split())
    reason = reason if len(reason) <= 400 else f"{reason[:400]}..."
    return Lost("out-of-memory" if memory else "failed", reason, error)


def or_raised(outcome: Result | Lost) -> Result:
    """The result; raises what a lost piece raised."""
    if isinstance(outcome, Lost):
        raise outcome.error or WorkerError(outcome.reason)
    return outcome
