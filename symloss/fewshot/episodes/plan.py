"""What is wanted of few-shot data, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from symloss.errors import TaskError
from symloss.fewshot.episodes.augmenting import Augment, shifted
from symloss.fewshot.episodes.classes import Choice, ClassEpisodes, Finish, Images
from symloss.fewshot.episodes.episode import EpisodeSource, FewShotTask


@dataclass(frozen=True)
class Plan:
    """name: of the data, as the user wrote it. data: the user's folder of data sets. See `FewShotTask`."""

    name: str
    ways: int
    shots: int
    queries: int
    seed: int
    data: Path | None = None

    def __post_init__(self) -> None:
        for name, value in (("ways", self.ways), ("shots", self.shots), ("queries", self.queries)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise TaskError(f"{self.label}: {name} must be an integer of at least 1, found {value!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise TaskError(f"{self.label}: seed must be an integer of at least 0, found {self.seed!r}")

    @property
    def label(self) -> str:
        """How sentences about the data begin."""
        return f"few-shot data '{self.name}'"

    def source(
        self, split: str, classes: Sequence[Images], names: Sequence[str], finish: Finish, choose: Choice
    ) -> ClassEpisodes:
        """Episodes of one split from its classes, of which there is at least one."""
        shape = classes[0][np.zeros(1, np.int64)].shape[1:]
        return ClassEpisodes(
            split, self.seed, self.ways, self.shots, self.queries, classes, names, shape, finish, choose
        )

    def task(
        self,
        sources: Sequence[EpisodeSource],
        notes: tuple[str, ...] = (),
        load_images: Callable[[], tuple[Tensor, Tensor]] | None = None,
        augment: Augment = shifted,
    ) -> FewShotTask:
        """The task of the sources for training, validation and test."""
        train, valid, test = sources
        sizes = (self.ways, self.shots, self.queries)
        return FewShotTask(self.name, *sizes, train, valid, test, notes, load_images, augment)
