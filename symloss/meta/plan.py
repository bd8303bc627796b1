"""How networks of one kind are trained: by which rules, and how many in one step. See `choosing`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
import torch
from torch import nn

from symloss.meta.settings import Training
from symloss.networks import (
    Chain,
    Differentiable,
    Network,
    Parameters,
    Recorded,
    Separate,
    Traced,
)
from symloss.workers import in_parallel

T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """chain: explicit rules of the network, or None for torch's own differentiation.

    at_once:  networks that take a step together; `pieces` divides work by it.
    tf32:     on CUDA, products may round their factors to 10 bits.
    separate: without explicit rules, one network after another instead of all batched.
    recorded: the networks, by either rules, with passes that are replayed as graphs; see `Recorded`.
    """

    chain: Chain | None
    at_once: int
    tf32: bool = False
    separate: bool = False
    recorded: Recorded | None = None

    @property
    def name(self) -> Literal["chain", "traced", "separate"]:
        """How networks compute, as `Training.network` has it."""
        return "chain" if self.chain else "separate" if self.separate else "traced"

    def settled(self, training: Training) -> Training:
        """`training` with what this plan has been chosen by measurement: nothing is left to measure."""
        return msgspec.structs.replace(
            training,
            network=self.name,
            models_at_once=self.at_once,
            cuda_graphs=self.recorded is not None,
        )

    def network(self, template: nn.Module, buffers: Parameters) -> Network:
        """How networks with the structure of `template` compute; see `Separate` for the arguments."""
        return self.prepared or self.differentiable(template, buffers)

    @property
    def prepared(self) -> Network | None:
        """How they compute, where that is known without a template."""
        return self.recorded or self.chain

    def differentiable(self, template: nn.Module, buffers: Parameters) -> Differentiable:
        """The same, where derivatives of any order are needed."""
        return (Separate if self.separate else Traced)(template, buffers)

    def in_pieces(
        self,
        work: Callable[[Sequence[T], Callable[[], None]], Result],
        items: Sequence[T],
        device: torch.device,
        tick: Callable[[], None] | None = None,
        each: int = 1,
    ) -> list[Result]:
        """`work(piece, tick)` of each of the `pieces`; see `in_parallel`."""
        with self.precision(device):
            return in_parallel(work, self.pieces(items, each), device, tick)

    def precision(self, device: torch.device) -> AbstractContextManager[None]:
        """Within the block, products are as exact as the plan says."""
        return _precision(device, self.tf32)

    def pieces(self, items: Sequence[T], each: int = 1) -> list[Sequence[T]]:
        """Consecutive pieces of nearly equal size, of at most `at_once` networks, for any number of cores.

        Their number is even where it can be, so that two cores are equally busy.
        each: networks that belong to an item, and stay together.
        """
        count = math.ceil(len(items) / max(1, self.at_once // each))
        count = min(count + count % 2, len(items))
        ends = [len(items) * (i + 1) // max(count, 1) for i in range(count)]
        return [items[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@contextmanager
def _precision(device: torch.device, tf32: bool) -> Iterator[None]:
    """On CUDA, whether float32 products may be in TF32. By itself torch allows it to convolutions alone."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
