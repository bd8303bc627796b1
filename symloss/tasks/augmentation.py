"""Augmentation: training images that are shown a little different every time. Never for validation or test.

To add one, add a function that makes an `Augmentation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """A reproducible change of a batch of inputs.

    name:      what it does, in words.
    transform: (batch (n, ...features) on any device, a generator on the CPU) -> a new batch of the same
               shape. Everything random comes from the generator, so that the same generator gives the same.
    """

    name: str
    transform: Callable[[Tensor, torch.Generator], Tensor]

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self.transform(x, generator)


def shifted(padding: int, border: NDArray[Any], flip: bool) -> Augmentation:
    """Images shifted by up to `padding` pixels each way, and half of them mirrored left to right if `flip`.

    border: (channels, 1, 1), what comes in from outside: black in the units of the images. The same as
            cropping padded images at random (He et al., arXiv 1512.03385, section 4.2).
    """
    outside = torch.from_numpy(np.asarray(border, np.float32))

    def transform(x: Tensor, generator: torch.Generator) -> Tensor:
        count, channels, height, width = x.shape
        corners = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < (0.5 if flip else 0.0)
        rows, columns = corners[0] + torch.arange(height), corners[1] + torch.arange(width)
        columns = torch.where(mirrored, columns.flip(1), columns)
        size = (count, channels, height + 2 * padding, width + 2 * padding)
        padded = outside.to(x).expand(size).clone()
        padded[..., padding : padding + height, padding : padding + width] = x
        images = torch.arange(count)[:, None, None]
        places = (part.to(x.device) for part in (images, rows[:, :, None], columns[:, None, :]))
        image, row, column = places
        return padded[image, :, row, column].permute(0, 3, 1, 2).contiguous()

    how = f"random shifts by up to {padding} pixels" + (" and mirror images" if flip else "")
    return Augmentation(how, transform)
