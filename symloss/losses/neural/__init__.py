"""Losses that are networks. What they are stands here; how they are trained, in `symloss.meta`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symloss.losses.neural.settings import ADALFL, ML3, NetworkSettings

if TYPE_CHECKING:
    from symloss.losses.neural.network import LossNetwork

__all__ = ["ADALFL", "ML3", "LossNetwork", "NetworkSettings"]


def __getattr__(name: str) -> Any:
    if name != "LossNetwork":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("symloss.losses.neural.network").LossNetwork
