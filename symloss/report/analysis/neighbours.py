"""Which well-known losses train most alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.expr import Expr, bound
from symloss.losses.catalogue import CATALOGUE
from symloss.report.analysis.sample import Sample, gradients


@dataclass(frozen=True)
class Neighbour:
    """A loss of the catalogue.

    distance: |g - s h| / |g|, where g are the gradients with respect to the network's outputs of the loss
              that is analysed, h those of this one, and s the scale; 0 is the same
              training, 1 nothing in common.
    scale:    the best positive one.
    """

    name: str
    distance: float
    scale: float


def nearest(expression: Expr, sample: Sample, classes: int, most: int = 3) -> list[Neighbour]:
    """The nearest losses of the catalogue up to scale and offset, nearest first.

    None if the loss has no finite gradient but zero on the whole sample.
    """
    own = gradients(expression, sample)
    found = []
    for row in CATALOGUE.values():
        if sample.kind in row.kinds and not row.twin:
            other = gradients(bound(row.exact, classes), sample)
            found.append(Neighbour(row.name, *distance(own, other)))
    return sorted((n for n in found if not math.isnan(n.distance)), key=lambda n: n.distance)[:most]


def distance(own: Tensor, other: Tensor) -> tuple[float, float]:
    """Relative L2 distance after the best positive scale, and that scale, of two (points, outputs).

    Points at which either is not finite are left out. Not a number if `own` is zero at all others.
    """
    kept = (torch.isfinite(own) & torch.isfinite(other)).all(dim=-1)
    g, h = own[kept].flatten(), other[kept].flatten()
    size = g.norm().item()
    if size == 0.0 or not math.isfinite(size):
        return math.nan, math.nan
    power = h.dot(h).item()
    scale = max(0.0, g.dot(h).item() / power) if power > 0.0 else 0.0
    return (g - scale * h).norm().item() / size, scale
