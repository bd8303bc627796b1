"""Suites: searches and evaluations of several cases as one job that can be interrupted, and their report.

Names are imported when they are first used, so that reading a suite needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symloss.benchmark.job import CaseResult, run_case, run_suite
    from symloss.benchmark.suite import Case, Plan, read_suite

_HOMES = {
    "Case": "suite",
    "CaseResult": "job",
    "Plan": "suite",
    "read_suite": "suite",
    "run_case": "job",
    "run_suite": "job",
}

__all__ = ["Case", "CaseResult", "Plan", "read_suite", "run_case", "run_suite"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
