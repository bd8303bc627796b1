"""What a measurement ran on, for the reports."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def machine(device: torch.device | None = None) -> str:
    """Processor, cores and library versions, in a line; the graphics processor first, if it is meant."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    gpu = f"{torch.cuda.get_device_name(device)}; " if device is not None and device.type == "cuda" else ""
    return (
        f"{gpu}{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
