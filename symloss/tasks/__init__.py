"""Tasks: data sets, their corruption, base models and metrics. Knows nothing of losses.

    make_task("digits", corruption=Corruption(label_noise=0.2))

Everything but the names needs torch and is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symloss.tasks.names import CORRUPTIONS, TASKS

if TYPE_CHECKING:
    from symloss.tasks.arrays import task_from_arrays
    from symloss.tasks.augmentation import Augmentation
    from symloss.tasks.corruption import Corruption, corrupt
    from symloss.tasks.loading import load_callable
    from symloss.tasks.metrics import METRICS, Metric, find_metric
    from symloss.tasks.models import MODELS, Model, model_maker
    from symloss.tasks.registry import make_task
    from symloss.tasks.task import Split, Task

_HOMES = {
    "METRICS": "metrics",
    "MODELS": "models",
    "Augmentation": "augmentation",
    "Corruption": "corruption",
    "Metric": "metrics",
    "Model": "models",
    "Split": "task",
    "Task": "task",
    "corrupt": "corruption",
    "find_metric": "metrics",
    "load_callable": "loading",
    "make_task": "registry",
    "model_maker": "models",
    "task_from_arrays": "arrays",
}

__all__ = [
    "CORRUPTIONS",
    "METRICS",
    "MODELS",
    "TASKS",
    "Augmentation",
    "Corruption",
    "Metric",
    "Model",
    "Split",
    "Task",
    "corrupt",
    "find_metric",
    "load_callable",
    "make_task",
    "model_maker",
    "task_from_arrays",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
