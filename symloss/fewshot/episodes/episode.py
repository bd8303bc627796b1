"""Few-shot learning as values: an episode, where episodes come from, and a task made of three such sources.

An episode is one small learning problem: a support set to learn from, and a query set on which what was
learned is judged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from symloss.fewshot.episodes.augmenting import Augment, shifted
from symloss.records import Kind

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Episode:
    """A support set and a query set.

    support_x: (ways * shots, ...) float32 inputs.
    support_y: (ways * shots,) int64, class by class: 0, 0, .., 1, 1, ..; for regression (shots, outputs)
               float32, and ways is 1.
    query_x, query_y: likewise, with `queries` in the place of shots.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor


class EpisodeSource(Protocol):
    """Where the episodes of one split come from.

    shape: of one input, such as (1, 28, 28).
    kind:  MULTICLASS or REGRESSION.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def kind(self) -> Kind: ...

    def episode(self, index: int) -> Episode:
        """Episode number `index`, of 0, 1, 2, ..: the same wherever and however often it is asked for."""
        ...


@dataclass(frozen=True, eq=False)
class FewShotTask:
    """What is learned from few examples: how large episodes are, and where they come from.

    train, valid, test: share no class, or, where there are no classes, no random numbers.
    notes:       what a person should know about the data, a sentence each.
    load_images: reads `train_images`; None where there are none.
    augment:     what chance does to `train_images` each time an encoder sees them.
    """

    name: str
    ways: int
    shots: int
    queries: int
    train: EpisodeSource
    valid: EpisodeSource
    test: EpisodeSource
    notes: tuple[str, ...] = ()
    load_images: Callable[[], tuple[Tensor, Tensor]] | None = None
    augment: Augment = shifted

    @functools.cached_property
    def train_images(self) -> tuple[Tensor, Tensor] | None:
        """All images of the training classes, to train an encoder on: x (n, ...) float32, y (n,) int64.

        Normalised, but neither warped nor turned. They are read when first asked for, and need memory: 3.3 GB
        for mini-ImageNet. None for regression and for a user's function, which have no such images.
        """
        return self.load_images() if self.load_images is not None else None


def random_of(seed: int, split: str, index: int) -> np.random.Generator:
    """The random numbers of one episode. They depend on nothing else, so any worker draws the same."""
    return np.random.default_rng([seed, *split.encode(), index])
