"""Few-shot learning: what is learned on many small tasks, so that a new one is learned from few examples.

from pathlib import Path
from symloss.fewshot import Data, evaluate, load_task, method_settings, train

data = Data(dataset="glyphs", ways=5, shots=1, queries=15)
train(method_settings("npbml"), load_task(data), Path("runs/few"), data)
print(evaluate([Path("runs/few")], tasks=600)[0].line())
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symloss.fewshot.episodes.episode import Episode, EpisodeSource, FewShotTask
    from symloss.fewshot.folder import Data
    from symloss.fewshot.judging import evaluate
    from symloss.fewshot.settings import METHODS, Settings, method_settings
    from symloss.fewshot.training import load, load_task, resume, train

_HOMES = {
    "METHODS": "settings",
    "Data": "folder",
    "Episode": "episodes.episode",
    "EpisodeSource": "episodes.episode",
    "FewShotTask": "episodes.episode",
    "Settings": "settings",
    "evaluate": "judging",
    "load": "training",
    "load_task": "training",
    "method_settings": "settings",
    "resume": "training",
    "train": "training",
}

__all__ = [
    "METHODS",
    "Data",
    "Episode",
    "EpisodeSource",
    "FewShotTask",
    "Settings",
    "evaluate",
    "load",
    "load_task",
    "method_settings",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symloss.fewshot' has no attribute '{name}'")
    return getattr(importlib.import_module(f"symloss.fewshot.{_HOMES[name]}"), name)
