"""Which samples go where: splits and subsamples as arrays of indices, stratified by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError

Indices = NDArray[np.intp]


def generator(data_seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose: switching one kind of corruption on leaves the others alike."""
    if isinstance(data_seed, bool) or not isinstance(data_seed, int | np.integer) or data_seed < 0:
        raise TaskError(f"data_seed must be an integer of at least 0, found {data_seed!r}")
    return np.random.default_rng([int(data_seed), *purpose.encode()])


def split_indices(
    strata: NDArray[np.int64],
    fractions: Sequence[float],
    rng: np.random.Generator,
    labels: NDArray[Any] | None = None,
) -> list[Indices]:
    """Parts of 0..n-1: the rest first, then one part for each fraction; sorted, disjoint, complete.

    Args:   strata: (n,) class of each sample (all equal for regression). fractions: of each class,
            rounded, but at least one sample of it goes into every part. labels: what classes are called.
    Raises: TaskError if a fraction is impossible or a class has fewer samples than there are parts.
    """
    if not all(0 < f < 1 for f in fractions) or not sum(fractions) < 1:
        raise TaskError(
            f"validation and test fractions must be between 0 and 1 and leave something to train on, "
            f"found {', '.join(f'{f:g}' for f in fractions)}"
        )
    if len(strata) <= len(fractions):
        raise TaskError(
            f"found {len(strata)} samples, expected at least one for training and each other part"
        )
    parts: list[list[Indices]] = [[] for _ in range(len(fractions) + 1)]
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        if len(members) < len(parts):
            label = stratum if labels is None else labels[stratum].item()
            quantity = (
                "" if isinstance(label, str) else ", or say kind=regression if the target is a quantity"
            )
            raise TaskError(
                f"class {label} has {len(members)} of {len(strata)} samples, expected at least "
                f"{len(parts)} so that every part has one; drop the class{quantity}"
            )
        start = 0
        for number, fraction in enumerate(fractions, start=1):
            room = len(members) - start - (len(fractions) - number) - 1
            count = min(max(round(fraction * len(members)), 1), room)
            parts[number].append(members[start : start + count])
            start += count
        parts[0].append(members[start:])
    return [np.sort(np.concatenate(part)) for part in parts]


def subsample_indices(strata: NDArray[np.int64], size: int, rng: np.random.Generator) -> Indices:
    """Exactly `size` of 0..n-1, sorted; each class keeps its share to within one sample.

    Raises: TaskError if size is not between 1 and n.
    """
    if not 1 <= size <= len(strata):
        raise TaskError(f"train_size must be between 1 and {len(strata)}, the training samples, found {size}")
    _, stratum, counts = np.unique(strata, return_inverse=True, return_counts=True)
    shares = size * counts / len(strata)
    kept = np.floor(shares).astype(np.int64)
    # What rounding down left over goes to the largest remainders.
    kept[np.argsort(kept - shares, kind="stable")[: size - kept.sum()]] += 1
    chosen = [rng.permutation(np.flatnonzero(stratum == s))[:number] for s, number in enumerate(kept)]
    return np.sort(np.concatenate(chosen))
