"""From classes of images to a task: checked, normalised, and their training images at hand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symloss.errors import TaskError
from symloss.fewshot.episodes.augmenting import Photographed, shifted
from symloss.fewshot.episodes.classes import ClassEpisodes, Finish, check_sizes, once
from symloss.fewshot.episodes.episode import SPLITS, FewShotTask
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.trees import Splits

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR100 = ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
"""Mean and standard deviation of each channel, of values between 0 and 1."""


@dataclass(frozen=True)
class Normalise:
    """(x - mean) / deviation in each channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, x: Tensor, y: Tensor, rng: np.random.Generator | None) -> Tensor:
        mean, deviation = (torch.tensor(part)[:, None, None] for part in (self.mean, self.deviation))
        return (x - mean) / deviation


def as_they_are(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
    """Values between 0 and 1."""
    return x


def turned(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
    """Each class of the episode turned by as many right angles as chance wants, all its images alike."""
    turns = rng.integers(4, size=int(y.max()) + 1)
    return torch.stack([torch.rot90(image, int(turns[c]), (1, 2)) for image, c in zip(x, y, strict=True)])


def assembled(plan: Plan, splits: Splits, finish: Finish | None, notes: tuple[str, ...]) -> FewShotTask:
    """The task of the classes of its splits.

    Raises: TaskError if classes are on both sides of a split, or too few, or have too few images.
    """
    _check_apart(plan, splits)
    sources = []
    for split in SPLITS:
        names, classes = list(splits[split]), list(splits[split].values())
        check_sizes(plan.label, split, classes, plan.ways, plan.shots + plan.queries)
        sources.append(plan.source(split, classes, names, finish or as_they_are, once))
    _check_shapes(plan, sources)
    counts = ", ".join(f"{len(source.classes)} classes to {source.split}" for source in sources)
    plain = finish if isinstance(finish, Normalise) else None
    load = functools.partial(plain_images, sources[0], plain)
    augment = Photographed(plain.mean, plain.deviation) if plain else shifted
    return plan.task(sources, (counts, *notes), load, augment)


def _check_apart(plan: Plan, splits: Splits) -> None:
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        shared = sorted(set(splits[first]) & set(splits[second]))
        if shared:
            raise TaskError(
                f"{plan.label}: the class '{shared[0]}' is in both {first} and {second}; keep the classes of "
                "the splits apart, or what is tested is not new"
            )


def _check_shapes(plan: Plan, sources: Sequence[ClassEpisodes]) -> None:
    train = sources[0]
    for other in sources[1:]:
        if other.shape != train.shape:
            raise TaskError(
                f"{plan.label}: images of {other.split} have shape {other.shape}, those of train "
                f"{train.shape}; make them alike"
            )


def plain_images(source: ClassEpisodes, normalise: Normalise | None) -> tuple[Tensor, Tensor]:
    """All images of the classes, without anything random, and their class ids."""
    images = [images[np.arange(len(images))] for images in source.classes]
    y = torch.from_numpy(np.repeat(np.arange(len(images)), [len(part) for part in images]))
    x = torch.from_numpy(np.concatenate(images)).float().div_(255)
    return normalise(x, y, None) if normalise else x, y
