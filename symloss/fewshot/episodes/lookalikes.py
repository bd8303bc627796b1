"""Which characters look like another one: A of Latin, Greek and Cyrillic is one class and not three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from symloss.fewshot.episodes.drawing import SIDE, Picture

ALIKE = 0.96
"""Cosine between blurred pictures from which on they look alike.

In DejaVu Sans o and O have .99, 8 and B .94, C and G .88.
"""


def distinct(groups: Sequence[Picture]) -> list[bool]:
    """For each group of drawings (n, 28, 28) whether none of them looks like one of an earlier kept group."""
    kept: list[bool] = []
    seen = np.empty((sum(map(len, groups)), (SIDE // 2) ** 2))  # drawings of kept groups, of length one
    size = 0
    for group in groups:
        mine = _blurred(group)
        lengths = np.sqrt((mine * mine).sum(1, keepdims=True))
        mine /= lengths
        kept.append(not (seen[:size] @ mine.T > ALIKE).any())
        if kept[-1]:
            seen[size : size + len(mine)] = mine
            size += len(mine)
    return kept


def _blurred(pictures: Picture) -> NDArray[np.float64]:
    """Sums of 4x4 pixels at every second place, (n, 196)."""
    padded = np.pad(pictures.astype(np.int64), ((0, 0), (1, 1), (1, 1)))
    places = range(4)
    total = sum(padded[:, i : i + SIDE - 1 : 2, j : j + SIDE - 1 : 2] for i in places for j in places)
    return np.asarray(total, np.float64).reshape(len(pictures), -1)
