"""What networks draw at random: from a seed, the same in every thread and process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_ONE_AT_A_TIME = threading.Lock()
"""Torch has one global random state; while something is drawn from a seed, no other thread may use it."""

CPU = torch.device("cpu")


@contextmanager
def seeded(device: torch.device = CPU) -> Iterator[Callable[[int], None]]:
    """Hands out a function that seeds torch's global generators; afterwards they are as they were.

    device: the CPU's generator is meant, and this device's.
    """
    cuda = device.type == "cuda"

    def seed_with(seed: int) -> None:
        # Not torch.manual_seed, which would also seed the generators of devices that are not restored.
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)

    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[device] if cuda else []):
        yield seed_with


def step_seed(seed: int, *numbers: int) -> int:
    """The seed of what is drawn in a numbered step. Hashed, so that neighbours have nothing in common."""
    digest = hashlib.blake2b(" ".join(map(str, (seed, *numbers))).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
