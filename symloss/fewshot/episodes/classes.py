"""Episodes from classes of images: which classes, which of their images, and what is done to those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symloss.errors import TaskError
from symloss.fewshot.episodes.episode import Episode, random_of
from symloss.records import Kind
from symloss.workers import one_thread

Bytes = NDArray[np.uint8]
Finish = Callable[[Tensor, Tensor, np.random.Generator], Tensor]
"""(images (n, channels, height, width) of 0 to 1, their classes in the episode (n,), random numbers) ->
inputs."""

Choice = Callable[[np.random.Generator, int, int, int], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""(random numbers, images of a class, shots, queries) -> which are shown as support, which as query."""


class Images(Protocol):
    """The images of one class. They may be on a disk until they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: NDArray[np.int64], /) -> Bytes:
        """(k, channels, height, width) bytes."""
        ...


@dataclass(frozen=True, eq=False)
class ClassEpisodes:
    """Episodes of `ways` classes drawn at random, with `shots` and `queries` images of each.

    classes: all images of each class of this split; names: what each is called.
    finish:  makes inputs of images; choose: see `once` and `in_halves`.
    """

    split: str
    seed: int
    ways: int
    shots: int
    queries: int
    classes: Sequence[Images]
    names: Sequence[str]
    shape: tuple[int, ...]
    finish: Finish
    choose: Choice
    kind: Kind = Kind.MULTICLASS

    def episode(self, index: int) -> Episode:
        rng = random_of(self.seed, self.split, index)
        drawn = rng.permutation(len(self.classes))[: self.ways]
        chosen = [self.choose(rng, len(self.classes[c]), self.shots, self.queries) for c in drawn]
        images = [
            np.concatenate([self.classes[c][which[part]] for c, which in zip(drawn, chosen, strict=True)])
            for part in (0, 1)
        ]
        support_y, query_y = (
            torch.arange(self.ways).repeat_interleave(n) for n in (self.shots, self.queries)
        )
        with one_thread():  # so little work that several threads spend their time waiting for one another
            x = torch.from_numpy(np.concatenate(images)).float() / 255
            x = self.finish(x, torch.cat([support_y, query_y]), rng)
        return Episode(x[: len(support_y)], support_y, x[len(support_y) :], query_y)


def once(
    rng: np.random.Generator, available: int, shots: int, queries: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every image at most once."""
    chosen = rng.permutation(available)[: shots + queries]
    return chosen[:shots], chosen[shots:]


def in_halves(
    rng: np.random.Generator, available: int, shots: int, queries: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For images that a warp will make different: one half of them for support, the other for query.

    Each in turn, and again when all have been shown: no image is seen on both sides.
    """
    order = rng.permutation(available)
    half = available // 2
    return np.resize(order[:half], shots), np.resize(order[half:], queries)


def check_sizes(label: str, split: str, classes: Sequence[Images], ways: int, each: int) -> None:
    """Raise TaskError unless there are `ways` classes with `each` images.

    label: how the sentence begins, such as "few-shot data 'omniglot'".
    """
    if len(classes) < ways:
        raise TaskError(
            f"{label}: {split} has {len(classes)} classes, expected at least {ways} for {ways} ways; "
            "use fewer ways or add classes"
        )
    fewest = min(len(images) for images in classes)
    if fewest < each:
        raise TaskError(
            f"{label}: a class of {split} has {fewest} images, expected at least {each} for shots and "
            "queries together; use fewer of them or add images"
        )
