"""A contact sheet: images of a few episodes, to be looked at before anything is trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from symloss.errors import ReportError, TaskError
from symloss.fewshot.episodes.episode import EpisodeSource, FewShotTask

EPISODES = 4

GAP = 2
"""Pixels between images, and twice as many between support and query."""


def write_sheet(task: FewShotTask, path: Path, split: str = "test") -> None:
    """Write a PNG of the first episodes of a split: a row for each class, the support on the left.

    Raises: TaskError if inputs are no images; ReportError if the file cannot be written.
    """
    from PIL import Image

    source: EpisodeSource = getattr(task, split)
    if len(source.shape) != 3 or source.shape[0] not in (1, 3):
        raise TaskError(
            f"few-shot data '{task.name}' have inputs of shape {source.shape}, which are no images; "
            "leave out --png"
        )
    pixels = np.concatenate([_sheet(task, source, index) for index in range(EPISODES)])
    picture = Image.fromarray(pixels[..., 0] if source.shape[0] == 1 else pixels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, format="PNG")
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error}; choose another file") from error


def _sheet(task: FewShotTask, source: EpisodeSource, index: int) -> NDArray[np.uint8]:
    """One episode, (height, width, channels) bytes on grey."""
    episode = source.episode(index)
    channels, height, width = source.shape
    low, high = episode.query_x.amin((0, 2, 3)), episode.query_x.amax((0, 2, 3))
    columns = task.shots + task.queries
    sheet = np.full(
        (task.ways * (height + GAP) + 2 * GAP, columns * (width + GAP) + 2 * GAP, channels), 128, np.uint8
    )
    for row in range(task.ways):
        support = episode.support_x[row * task.shots : (row + 1) * task.shots]
        query = episode.query_x[row * task.queries : (row + 1) * task.queries]
        for column, image in enumerate(torch.cat([support, query])):
            scaled = (image.permute(1, 2, 0) - low) / (high - low).clamp(min=1e-6)
            top, left = row * (height + GAP), column * (width + GAP) + 2 * GAP * (column >= task.shots)
            sheet[top : top + height, left : left + width] = (255 * scaled.clamp(0, 1)).byte().numpy()
    return sheet
