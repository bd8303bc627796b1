"""The words of expressions as calls of NumPy that read arrays and write an array, all known beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symloss.expr.primitives import GUARD

Array = np.ndarray[Any, Any]

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments, the last of which it writes to."""


class Spare:
    """Arrays that are not in use, and numbers as arrays."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._free: dict[tuple[tuple[int, ...], np.dtype[Any]], list[Array]] = defaultdict(list)
        self._literals: dict[tuple[float, tuple[int, ...]], Array] = {}

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> Array:
        """An array with any contents."""
        free = self._free[shape, dtype or self.dtype]
        return free.pop() if free else np.empty(shape, dtype or self.dtype)

    def give(self, array: Array) -> None:
        """What stands in the array is needed no more."""
        self._free[array.shape, array.dtype].append(array)

    def literal(self, value: float, shape: tuple[int, ...] = ()) -> Array:
        """A number in every place of an array that nobody writes to."""
        key = (value, shape)
        if key not in self._literals:
            self._literals[key] = np.full(shape, value, self.dtype)
        return self._literals[key]

    def spread(self, array: Array, shape: tuple[int, ...]) -> Array:
        """A literal in every place of the shape; any other array as it is."""
        if any(array is known for known in self._literals.values()):
            return self.literal(float(array.flat[0]), shape)
        return array


def calls_of(word: str, arguments: Sequence[Array], out: Array, spare: Spare) -> list[Call]:
    """The calls that write a word's result to `out`, which may be one of the arguments."""
    if word in _BY_TORCH:
        with torch.inference_mode(False):  # whoever runs the calls may be within it or not
            tensors = [torch.from_numpy(array) for array in (*arguments, out)]
        return [(_into(_BY_TORCH[word]), tuple(tensors))]
    if word in _LIMITS:
        # With a number beside an array they take twice as long. Their third argument has to be named.
        spread = [spare.spread(argument, out.shape) for argument in arguments]
        return [(partial(_LIMITS[word], *spread, out=out), ())]
    if word == "guard":
        limit = calls_of("clamp_min", (out, spare.literal(GUARD)), out, spare)
        return [(np.abs, (*arguments, out)), *limit]
    if word == "guard_slope":
        return _guard_slope(arguments[0], out, spare)
    return [(_FUNCTIONS[word], (*arguments, out))]


def _guard_slope(argument: Array, out: Array, spare: Spare) -> list[Call]:
    """The sign, or 0 where the magnitude is at most GUARD. NaN stays NaN."""
    size, small = spare.take(out.shape), spare.take(out.shape, np.dtype(bool))
    spare.give(size)
    spare.give(small)
    sign: list[Call] = [(np.sign, (argument, out))]
    found: list[Call] = [
        (np.abs, (argument, size)),
        (np.less_equal, (size, spare.literal(GUARD), small)),
    ]
    # The argument, if it is not needed later, may be what is written to, or what is taken for the size.
    calls = [*found, *sign] if out is argument else [*sign, *found]
    return [*calls, (np.putmask, (out, small, spare.literal(0.0)))]


def _into(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda argument, out: function(argument, out=out)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "neg": np.negative,
    "atan": np.arctan,
    **{name: getattr(np, name) for name in "abs sign log exp sqrt tanh sin cos log1p".split()},
}

_LIMITS: dict[str, Callable[..., Any]] = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "clamp_min": np.maximum,
    "clamp_max": np.minimum,
}

_BY_TORCH: dict[str, Callable[..., Tensor]] = {"sigmoid": torch.sigmoid, "erf": torch.erf}
"""What NumPy lacks."""
