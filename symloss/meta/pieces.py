"""Work on many candidates in pieces, of which each candidate gets its own result or its own failure.

A piece that fails is done again candidate by candidate, so that a bad one takes none of its neighbours along.
Finished pieces can be remembered, so that a search which is interrupted need not do them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import torch

from symloss.meta.plan import Plan
from symloss.workers import Lost, attempted

Item = TypeVar("Item")
Result = TypeVar("Result")


class Memory(Protocol):
    """Where the results of finished pieces are kept, as what JSON can hold."""

    def known(self, key: str) -> Any:
        """What was added under this key, or None."""

    def add(self, key: str, value: Any) -> None:
        """Keep a result."""


class Forgetful:
    """A memory that keeps nothing."""

    def known(self, key: str) -> Any:
        return None

    def add(self, key: str, value: Any) -> None:
        pass


def each_result(
    plan: Plan,
    work: Callable[[Sequence[Item], Callable[[], None]], list[Result]],
    items: Sequence[Item],
    kind: type[Result],
    device: torch.device,
    *,
    stage: str,
    tick: Callable[[], None] | None = None,
    each: int = 1,
    time_limit: float | None = None,
    memory: Memory | None = None,
) -> list[Result | Lost]:
    """The result of every item, in order, or how it was lost.

    work:  the results of a piece, one for each item. Whatever decides them must be in the items' repr.
    kind:  of a result: a value that msgspec turns into JSON and back.
    stage: what is done, in a word. each: networks of an item; see `Plan.pieces`.
    time_limit: seconds that a step may take; see `attempted`.
    """
    memory = Forgetful() if memory is None else memory
    pieces = plan.pieces(items, each)
    keys = [_key(stage, number, piece) for number, piece in enumerate(pieces)]
    found: dict[int, list[Result | Lost]] = {}
    for number, key in enumerate(keys):
        if (kept := memory.known(key)) is not None:
            found[number] = [*msgspec.convert(kept, list[kind])]  # type: ignore[valid-type]
    open_ = [number for number in range(len(pieces)) if number not in found]

    def done(position: int, results: list[Result]) -> None:
        memory.add(keys[open_[position]], msgspec.to_builtins(results))

    with plan.precision(device):
        outcomes = attempted(work, [pieces[n] for n in open_], device, tick, time_limit, done)
        for number, outcome in zip(open_, outcomes, strict=True):
            found[number] = (
                _one_by_one(work, pieces[number], outcome, device, tick, time_limit)
                if isinstance(outcome, Lost)
                else [*outcome]
            )
    return [result for number in range(len(pieces)) for result in found[number]]


def _one_by_one(
    work: Callable[[Sequence[Item], Callable[[], None]], list[Result]],
    piece: Sequence[Item],
    lost: Lost,
    device: torch.device,
    tick: Callable[[], None] | None,
    time_limit: float | None,
) -> list[Result | Lost]:
    """The items of a lost piece, each alone."""
    if len(piece) == 1:
        return [lost]
    outcomes = attempted(work, [[item] for item in piece], device, tick, time_limit)
    return [outcome if isinstance(outcome, Lost) else outcome[0] for outcome in outcomes]


def _key(stage: str, number: int, piece: Sequence[Any]) -> str:
    return f"{stage} {number} {hashlib.sha256(repr(list(piece)).encode()).hexdigest()[:24]}"
