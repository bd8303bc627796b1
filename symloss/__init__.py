"""symloss discovers symbolic loss functions and exports them as code.

    from symloss import LossSearch

    search = LossSearch(task="digits", label_noise=0.4).fit()
    print(search.candidates_)
    module = search.best_.to_torch()

Importing this package is cheap: torch and the rest are imported when something needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from symloss.api import CandidateTable, DiscoveredLoss, LossSearch, load_run
    from symloss.errors import SymlossError, SymlossWarning
    from symloss.export import from_torch
    from symloss.expr import parse_expression
    from symloss.grammar import load_grammar
    from symloss.learning.loading import load_learned
    from symloss.losses.neural.adaptive import AdaptiveLoss
    from symloss.meta.online.learner import OnlineLossLearner
    from symloss.records import Kind, SymbolicLoss
    from symloss.sources import load_loss
    from symloss.tasks import Corruption, Split, Task, make_task, task_from_arrays

_HOMES = {
    "AdaptiveLoss": "losses.neural.adaptive",
    "CandidateTable": "api",
    "Corruption": "tasks",
    "DiscoveredLoss": "api",
    "Kind": "records",
    "LossSearch": "api",
    "OnlineLossLearner": "meta.online.learner",
    "Split": "tasks",
    "SymbolicLoss": "records",
    "SymlossError": "errors",
    "SymlossWarning": "errors",
    "Task": "tasks",
    "from_torch": "export",
    "load_grammar": "grammar",
    "load_learned": "learning.loading",
    "load_loss": "sources",
    "load_run": "api",
    "make_task": "tasks",
    "parse_expression": "expr",
    "task_from_arrays": "tasks",
}

__all__ = [
    "AdaptiveLoss",
    "CandidateTable",
    "Corruption",
    "DiscoveredLoss",
    "Kind",
    "LossSearch",
    "OnlineLossLearner",
    "Split",
    "SymbolicLoss",
    "SymlossError",
    "SymlossWarning",
    "Task",
    "__version__",
    "from_torch",
    "load_grammar",
    "load_learned",
    "load_loss",
    "load_run",
    "make_task",
    "parse_expression",
    "task_from_arrays",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symloss' has no attribute '{name}'")
    return getattr(importlib.import_module(f"symloss.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
