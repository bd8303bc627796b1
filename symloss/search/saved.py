"""What searches save, checked when it is read back: a state may come from anywhere."""

from __future__ import annotations

import random
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

Word = Annotated[int, Meta(ge=0, lt=2**32)]
Randomness = tuple[int, tuple[Word, ...], float | None]
"""The state of a generator of random numbers, as `random.Random` has it."""


class Standing(msgspec.Struct, frozen=True):
    """How far a search has come: the id of its next proposal, and finished generations."""

    next_id: Annotated[int, Meta(ge=1, le=2**53)]
    generation: Annotated[int, Meta(ge=0, le=2**53)]


class RandomStanding(Standing, frozen=True):
    """The same of a search that draws its random numbers one after another."""

    rng: Randomness


Saved = TypeVar("Saved", bound=Standing)


def saved_as(state: Any, kind: type[Saved]) -> Saved:
    """The state as a value of `kind`. Raises ValueError if it is none."""
    try:
        return msgspec.convert(state, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def randomness(rng: random.Random) -> Randomness:
    """What a generator of random numbers has to be given to go on as this one."""
    version, numbers, gauss = rng.getstate()
    return version, numbers, gauss
