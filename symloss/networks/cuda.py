"""Recording of CUDA kernels as graphs, which are launched as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from symloss.networks.recorded import Recorder, Replay

T = TypeVar("T")

WARMING_UP = 3
"""Calls before recording: libraries choose their kernels and take their workspaces in the first ones."""


def cuda_recorder(device: torch.device) -> Recorder:
    """What records functions whose tensors are on `device`, a CUDA device, as graphs.

    Each graph has memory of its own, so that graphs can be replayed in any order.
    A function that waits for the device cannot be recorded: torch raises RuntimeError.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(function: Callable[[], T]) -> tuple[T, Replay]:
        with torch.cuda.device(device), _same_stream(device):
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(WARMING_UP):
                    function()
                with _no_waiting():
                    function()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                result = function()
            torch.cuda.current_stream(device).wait_stream(stream)
        return result, graph.replay

    return record


@contextmanager
def _same_stream(device: torch.device) -> Iterator[None]:
    """The current stream is afterwards what it was, though recording fails, which would leave its own."""
    before = torch.cuda.current_stream(device)
    try:
        yield
    finally:
        torch.cuda.set_stream(before)


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Within the block torch raises RuntimeError for what waits for a device: better now than in a graph."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
