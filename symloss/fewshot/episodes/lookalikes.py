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


BLOCK = 64
"""Groups that are compared with all earlier ones at a time."""


def distinct(groups: Sequence[Picture]) -> list[bool]:
    """For each group of drawings (n, 28, 28) whether none of them looks like one of an earlier kept group."""
    kept: list[bool] = []
    seen: list[NDArray[np.float64]] = [np.zeros((0, (SIDE // 2) ** 2))]  # drawings of kept groups
    for start in range(0, len(groups), BLOCK):
        block = [_blurred(group) for group in groups[start : start + BLOCK]]
        together = np.concatenate(block)
        before = (together @ np.concatenate(seen).T > ALIKE).any(1)
        within = together @ together.T > ALIKE
        ends = np.cumsum([len(group) for group in block])
        mine = np.zeros(len(together), bool)  # drawings of groups of this block that are kept
        for group, end in zip(block, ends, strict=True):
            rows = slice(end - len(group), end)
            kept.append(not (before[rows].any() or within[rows][:, mine].any()))
            mine[rows] = kept[-1]
        seen.append(together[mine])
    return kept


def _blurred(pictures: Picture) -> NDArray[np.float64]:
    """Sums of 4x4 pixels at every second place, (n, 196), scaled to a length of one."""
    padded = np.pad(pictures.astype(np.int64), ((0, 0), (1, 1), (1, 1)))
    places = range(4)
    total = sum(padded[:, i : i + SIDE - 1 : 2, j : j + SIDE - 1 : 2] for i in places for j in places)
    found = np.asarray(total, np.float64).reshape(len(pictures), -1)
    found /= np.sqrt((found * found).sum(1, keepdims=True))
    return found
