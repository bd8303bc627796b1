"""The data of few-shot learning: episodes of a few classes with a few examples of each.

    make_fewshot("glyphs", ways=5, shots=1).train.episode(0).support_x

Everything but the names needs torch and is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symloss.fewshot.episodes.names import FEWSHOT_DATA

if TYPE_CHECKING:
    from symloss.fewshot.episodes.episode import Episode, EpisodeSource, FewShotTask
    from symloss.fewshot.episodes.registry import make_fewshot

_HOMES = {
    "Episode": "episode",
    "EpisodeSource": "episode",
    "FewShotTask": "episode",
    "make_fewshot": "registry",
}

__all__ = ["FEWSHOT_DATA", "Episode", "EpisodeSource", "FewShotTask", "make_fewshot"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
