"""Chance in the images that an encoder is trained on: so that it sees more than was photographed or drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Augment = Callable[[Tensor, np.random.Generator], Tensor]
"""(images (n, channels, height, width), random numbers) -> images of the same shape."""

SHIFT = 2
"""Places, each way."""


def shifted(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Each image moved by up to two places up or down and left or right; what leaves comes in opposite."""
    rows, columns = (
        (torch.arange(size) - torch.from_numpy(rng.integers(-SHIFT, SHIFT + 1, (len(x), 1)))) % size
        for size in x.shape[-2:]
    )
    each, channel = torch.arange(len(x))[:, None, None, None], torch.arange(x.shape[1])[:, None, None]
    return x[each, channel, rows[:, None, :, None], columns[:, None, None, :]]


@dataclass(frozen=True)
class Photographed:
    """A random part, resized, perhaps mirrored, in other colours; for images that were normalised.

    A part has between `least` and all of the area, and between 3/4 and 4/3 of the image's shape. Brightness,
    contrast and saturation are multiplied by up to 1 - `colours` and 1 + `colours`, in a fixed order.
    Reference: NPBML's code, which follows common training on ImageNet.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    least: float = 0.08
    colours: float = 0.4

    def __call__(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        return self._coloured(self._cut(x, rng), rng)

    def _cut(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        area = rng.uniform(self.least, 1, len(x))
        shape = np.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3), len(x)))
        wide, high = (np.minimum(np.sqrt(area * own), 1) for own in (shape, 1 / shape))
        left, top = ((1 - size) * rng.uniform(-1, 1, len(x)) for size in (wide, high))
        mirror = rng.choice((-1, 1), len(x))
        none = np.zeros(len(x))
        theta = np.array([[wide * mirror, none, left], [none, high, top]], np.float32)
        grid = functional.affine_grid(torch.from_numpy(theta).permute(2, 0, 1), list(x.shape), False)
        return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def _coloured(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        mean, deviation = (torch.tensor(own)[:, None, None] for own in (self.mean, self.deviation))
        factors = torch.from_numpy(rng.uniform(1 - self.colours, 1 + self.colours, (3, len(x), 1, 1, 1)))
        brightness, contrast, saturation = factors.float()
        x = ((x * deviation + mean) * brightness).clamp(0, 1)
        x = _between(_grey(x).mean((-2, -1), keepdim=True), x, contrast)
        return (_between(_grey(x), x, saturation) - mean) / deviation


def _grey(x: Tensor) -> Tensor:
    """How light red, green and blue look together, by the standard of television."""
    return (x * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1, keepdim=True)


def _between(other: Tensor, x: Tensor, share: Tensor) -> Tensor:
    return (other + share * (x - other)).clamp(0, 1)
