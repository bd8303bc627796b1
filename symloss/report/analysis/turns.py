"""Where a slope changes its sign: the places at which gradient descent comes to rest, or leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath

Slope = Callable[[Any], Any]

HALVINGS = 75
"""Of a step of the grid: brackets a change of sign within 1e-22 of the step."""


@dataclass(frozen=True)
class Turn:
    """A place, or a stretch, where a function does not fall or rise.

    kind: "minimum" (the function falls before and rises after), "maximum", or "rest" (flat, without rising
          after).
    low, high: the stretch on which the slope is zero; equal for a single place. Infinite where the stretch
          goes on to the end of what was looked at.
    jump: the slope changes its sign by a jump, so it is zero nowhere: a kink.
    """

    kind: str
    low: float
    high: float
    jump: bool = False

    @property
    def is_flat(self) -> bool:
        return self.low != self.high


@dataclass(frozen=True)
class _Run:
    """Neighbouring points of the grid whose slopes have one sign; None where there is no number."""

    sign: int | None
    first: int
    last: int


def turns_of(slope: Slope, grid: Sequence[Any], slopes: Sequence[Any]) -> list[Turn]:
    """All turns that a grid can see, with their places found by bisection.

    slope:  the function whose signs matter. grid: increasing arguments. slopes: its values on the grid.
    """
    runs = _runs([sign_of(value) for value in slopes])
    small = mpmath.mpf(10) ** -12 * max((abs(s) for s in slopes if not mpmath.isnan(s)), default=1)
    found = []
    for index, run in enumerate(runs):
        before = runs[index - 1] if index else None
        after = runs[index + 1] if index + 1 < len(runs) else None
        if run.sign and after is not None and after.sign == -run.sign:
            found.append(_turn(slope, grid, run, after, small))
        elif run.sign == 0 and not (before is None and after is None):
            found.append(_turn(slope, grid, before, after, small))
    return [turn for turn in found if turn.kind != "rest" or turn.is_flat]


def _turn(slope: Slope, grid: Sequence[Any], before: _Run | None, after: _Run | None, small: Any) -> Turn:
    """The turn between two runs of the grid, of which one may be missing at an end."""
    left = right = None
    low, high = -mpmath.inf, mpmath.inf
    if before is not None:
        until = grid[before.last + 1] if after is None else grid[after.first]
        left, low = _edge(lambda x: sign_of(slope(x)) == before.sign, grid[before.last], until)
    if before is not None and after is not None and sign_of(slope(low)) == after.sign:
        high, right = low, low  # nothing lies between them
    elif after is not None:
        since = grid[after.first - 1] if before is None else low
        high, right = _edge(lambda x: sign_of(slope(x)) != after.sign, since, grid[after.first])
    kind = _KINDS.get((before.sign if before else None, after.sign if after else None), "rest")
    if left is None or right is None or high - low > mpmath.mpf("1e-12") * max(1, abs(low)):
        return Turn(kind, float(low), float(high))
    jump = max(abs(slope(left)), abs(slope(right))) > small
    place = 0.0 if left <= 0 <= right else float(low)
    return Turn(kind, place, place, bool(jump))


_KINDS: dict[tuple[int | None, int | None], str] = {(-1, 1): "minimum", (1, -1): "maximum"}


def _edge(holds: Callable[[Any], bool], low: Any, high: Any) -> tuple[Any, Any]:
    """Two neighbouring arguments, of which the first fulfils `holds` and the second does not."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low, high


def sign_of(value: Any) -> int | None:
    """-1, 0 or 1, or None if it is not a number."""
    return None if mpmath.isnan(value) else int(mpmath.sign(value))


def _runs(signs: Sequence[int | None]) -> list[_Run]:
    runs: list[_Run] = []
    for place, sign in enumerate(signs):
        if runs and runs[-1].sign == sign:
            runs[-1] = _Run(sign, runs[-1].first, place)
        else:
            runs.append(_Run(sign, place, place))
    return runs


def undefined_in(grid: Sequence[Any], slopes: Sequence[Any]) -> tuple[float, float] | None:
    """The first and the last argument at which there is no number, if there is one."""
    places = [float(x) for x, slope in zip(grid, slopes, strict=True) if mpmath.isnan(slope)]
    return (places[0], places[-1]) if places else None
