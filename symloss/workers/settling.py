"""How a thread that trains networks is prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's operations run on one thread each and as `settle` wants them; afterwards as before."""
    before, flushing = torch.get_num_threads(), _flushes()
    settle()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(flushing)


def settle() -> None:
    """Prepare the calling thread.

    Numbers below 1e-38 are taken for zero. The probability of a class that is ruled out is such a number, and
    processors compute with them up to a hundred times slower: a network whose training has gone astray would
    double the time of all that train beside it.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _flushes() -> bool:
    """Whether the calling thread takes the smallest numbers for zero. Torch can set this but not tell."""
    return bool(torch.tensor(1e-39).mul(1.0).item() == 0.0)
