"""Recording of CUDA kernels as graphs, which are launched as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from symloss.networks.recorded import Recorder, Replay

T = TypeVar("T")

WARMING_UP = 3
"""Calls before recording: libraries choose their kernels and take their workspaces in the first ones."""


def cuda_graphs(device: torch.device) -> Recorder:
    """What records functions whose tensors are on `device`, a CUDA device.

    Each graph has memory of its own, so that graphs can be replayed in any order.
    A function that waits for the device cannot be recorded: torch raises RuntimeError.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(function: Callable[[], T]) -> tuple[T, Replay]:
        with torch.cuda.device(device):
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(WARMING_UP):
                    function()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                result = function()
            torch.cuda.current_stream(device).wait_stream(stream)
        return result, graph.replay

    return record
