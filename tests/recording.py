"""Recording as CUDA graphs do it, on the CPU: operations once noted are done again on the same memory.

Unlike in a graph no memory is used twice within a recording; and what leaves torch unseen (`.numpy()`,
`.tolist()`) is not refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WAITS = (
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "repeat_interleave"),
    *("unique", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount"),
)
"""Operations that a graph cannot hold: the CPU has to know what the device has computed."""


class _Notes(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masked = name in ("index", "index_put_") and any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(args[1])
        )
        assert name not in WAITS, f"{name} would wait for the device"
        assert not masked, f"{name} by a mask would wait for the device"
        found = function(*args, **(kwargs or {}))
        self.done.append((function, args, kwargs or {}, found))
        return found


def _stored(value: Any) -> Any:
    """The same memory, seen without autograd, for which a replay changes nothing."""
    return value.data if isinstance(value, Tensor) else value


def recorder(function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
    """Implements `Recorder`. While recording, a graph computes nothing: what was returned is made useless."""
    with patch("symloss.elementwise._fits", lambda values: False):  # what NumPy does is not seen
        function()
        with _Notes() as notes:
            result = function()
    done = [
        (function, tree_map(_stored, args), tree_map(_stored, kwargs), tree_map(_stored, found))
        for function, args, kwargs, found in notes.done
    ]

    @torch.no_grad()
    def replay() -> None:
        for function, args, kwargs, found in done:
            again = function(*args, **kwargs)
            for own, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
                if isinstance(own, Tensor) and own.data_ptr() != new.data_ptr():
                    own.copy_(new)

    _spoil(done)
    return result, replay


@torch.no_grad()
def _spoil(done: list[tuple[Any, Any, Any, Any]]) -> None:
    """Overwrite what was computed; what was there before stays."""
    given: set[int] = set()
    made: list[Tensor] = []
    for _, args, kwargs, found in done:
        known = {own.untyped_storage().data_ptr() for own in made}
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        given |= {leaf.untyped_storage().data_ptr() for leaf in leaves} - known
        made += [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
    for own in made:
        if own.untyped_storage().data_ptr() not in given and own.is_floating_point():
            own.fill_(torch.nan)
