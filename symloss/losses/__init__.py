"""Losses: symbolic ones as modules, many at once, and the handcrafted catalogue.

Names are imported when they are first used, so that `import symloss.losses` does not need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symloss.losses.catalogue import CATALOGUE, handcrafted
    from symloss.losses.named import named_loss
    from symloss.losses.published import Handcrafted
    from symloss.losses.sparse_lsr import SparseLSRLoss
    from symloss.losses.symbolic import SymbolicLossModule

_HOMES = {
    "CATALOGUE": "catalogue",
    "Handcrafted": "published",
    "SparseLSRLoss": "sparse_lsr",
    "SymbolicLossModule": "symbolic",
    "handcrafted": "catalogue",
    "named_loss": "named",
}

__all__ = ["CATALOGUE", "Handcrafted", "SparseLSRLoss", "SymbolicLossModule", "handcrafted", "named_loss"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
