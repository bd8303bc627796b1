"""Fewer digits in the constants of a loss, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from symloss.errors import ExportError
from symloss.export.expected import expected
from symloss.export.grid import ORDINARY, batches
from symloss.expr import constants_of, with_constants
from symloss.records import SymbolicLoss


@dataclass(frozen=True)
class Rounding:
    """A loss with rounded constants, and how far it is from the original.

    value, gradient: worst difference over the ordinary points of the verification grid, relative to
                     the largest value (gradient entry) there.
    """

    loss: SymbolicLoss
    digits: int
    value: float
    gradient: float

    @property
    def sentence(self) -> str:
        return (
            f"constants rounded to {self.digits} significant digits, which changes the value by at most "
            f"{self.value:.1e} and the gradient by at most {self.gradient:.1e} of its largest"
        )


def round_constants(loss: SymbolicLoss, digits: int) -> Rounding:
    """`loss` with its constants rounded to `digits` (1 to 17) significant digits."""
    if not 1 <= digits <= 17:
        raise ExportError(f"constants can be rounded to 1 to 17 significant digits, not {digits}")
    values = [float(f"{value:.{digits}g}") for value in constants_of(loss.expression)]
    if not all(map(math.isfinite, values)):
        raise ExportError(f"a constant is too large to be rounded to {digits} digits")
    rounded = SymbolicLoss(with_constants(loss.expression, values), loss.kind, loss.reduction)
    worst = [0.0, 0.0]
    largest = [0.0, 0.0]
    for batch in batches(loss.kind):
        if batch.name != ORDINARY:
            continue
        before = expected(loss, batch, torch.float64)
        after = expected(rounded, batch, torch.float64)
        for i in range(2):
            worst[i] = max(worst[i], float(np.abs(after[i] - before[i]).max()))
            largest[i] = max(largest[i], float(np.abs(before[i]).max()))
    value, gradient = (w / size if w else 0.0 for w, size in zip(worst, largest, strict=True))
    return Rounding(rounded, digits, value, gradient)
