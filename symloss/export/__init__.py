"""From a loss to code that can be kept: PyTorch, NumPy and LaTeX, each file checked before it is handed over.

Names are imported when they are first used, so that `import symloss.export` needs neither torch nor SymPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symloss.export.algebra import to_sympy
    from symloss.export.header import Header
    from symloss.export.module import TorchLoss, torch_module
    from symloss.export.read import ExportedFile, from_torch, read_export
    from symloss.export.rounding import Rounding, round_constants
    from symloss.export.simplifying import simplified
    from symloss.export.targets import TARGETS, Target
    from symloss.export.verify import Verification, verify_code, verify_file
    from symloss.export.write import Exported, export_code, write_export

_HOMES = {
    "Exported": "write",
    "ExportedFile": "read",
    "Header": "header",
    "Rounding": "rounding",
    "TARGETS": "targets",
    "Target": "targets",
    "TorchLoss": "module",
    "Verification": "verify",
    "export_code": "write",
    "from_torch": "read",
    "read_export": "read",
    "round_constants": "rounding",
    "simplified": "simplifying",
    "to_sympy": "algebra",
    "torch_module": "module",
    "verify_code": "verify",
    "verify_file": "verify",
    "write_export": "write",
}

__all__ = [
    "TARGETS",
    "Exported",
    "ExportedFile",
    "Header",
    "Rounding",
    "Target",
    "TorchLoss",
    "Verification",
    "export_code",
    "from_torch",
    "read_export",
    "round_constants",
    "simplified",
    "to_sympy",
    "torch_module",
    "verify_code",
    "verify_file",
    "write_export",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
