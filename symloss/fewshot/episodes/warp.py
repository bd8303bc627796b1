"""Random affine warps of images: what makes the few drawings of a glyph a class of many pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from symloss.errors import TaskError, did_you_mean


@dataclass(frozen=True)
class Warp:
    """How far images are bent; every number of an image is drawn uniformly between minus and plus its limit.

    rotation: degrees.
    shear:    of the horizontal, in widths per height.
    shift:    each way, in halves of the image.
    scale:    of width and of height, each: between 1 / (1 + scale) and 1 + scale, uniform in logarithms.
    """

    rotation: float
    shear: float
    shift: float
    scale: float

    def __call__(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Images (n, channels, height, width) of ink on 0, each warped by itself; bilinear."""
        angle = math.radians(self.rotation) * rng.uniform(-1, 1, len(x))
        shear = self.shear * rng.uniform(-1, 1, len(x))
        wide, high = np.exp(math.log1p(self.scale) * rng.uniform(-1, 1, (2, len(x))))
        shift = self.shift * rng.uniform(-1, 1, (2, len(x)))
        cos, sin = np.cos(angle), np.sin(angle)
        # From a place of the result to the place of the image that is shown there: turned, sheared, resized.
        rows = [
            [(cos + shear * sin) / wide, (shear * cos - sin) / wide, shift[0]],
            [sin / high, cos / high, shift[1]],
        ]
        theta = torch.from_numpy(np.array(rows, np.float32)).permute(2, 0, 1)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)


WARPS: dict[str, Warp | None] = {
    "none": None,
    "mild": Warp(rotation=15, shear=0.2, shift=0.1, scale=0.15),
    "strong": Warp(rotation=40, shear=0.5, shift=0.2, scale=0.4),
    "extreme": Warp(rotation=90, shear=1.0, shift=0.3, scale=0.8),
}


def find_warp(name: str) -> Warp | None:
    """The warp of that name. Raises TaskError if there is none."""
    if name not in WARPS:
        raise TaskError(f"unknown strength of warps '{name}'; {did_you_mean(name, WARPS)}")
    return WARPS[name]
