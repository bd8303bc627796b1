"""Fair comparison of losses: one budget for all, fresh seeds, one look at the test data, statistics.

    report = evaluate(EvaluationSettings(losses=("runs/first",), against=("cross-entropy", "focal")))

Names are imported when they are first used, so that reading settings needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symloss.evaluation.comparing import evaluate, score
    from symloss.evaluation.results import Evaluation
    from symloss.evaluation.settings import EvaluationSettings

_HOMES = {
    "Evaluation": "results",
    "EvaluationSettings": "settings",
    "evaluate": "comparing",
    "score": "comparing",
}

__all__ = ["Evaluation", "EvaluationSettings", "evaluate", "score"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
