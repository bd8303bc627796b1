"""Measuring: medians of repeated runs, peak memory, and what the arithmetic alone would take."""

from __future__ import annotations

import ctypes
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from symloss.meta.lockstep import seeded_model
from symloss.tasks.task import Task
from symloss.workers import WORKERS, in_parallel, parallel

GEMM_SIZE = 1024

_DOCS = Path(__file__).resolve().parent.parent / "docs"


def report_file(name: str, device: torch.device) -> Path:
    """Reports of different kinds of device stand side by side in docs."""
    return _DOCS / (f"{name}.md" if device.type == "cpu" else f"{name}_{device.type}.md")


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time of one call, with everything finished on the device."""
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def interleaved(works: Sequence[Callable[[], Any]], repeats: int, device: torch.device) -> list[list[float]]:
    """Times of each work, taken in turn so that a slow moment of the machine hits all of them.

    The order changes every time: what a work leaves behind (memory, caches) is met by all the others.
    """
    times: list[list[float]] = [[] for _ in works]
    order = list(range(len(works)))
    shuffler = random.Random(0)
    for _ in range(repeats):
        shuffler.shuffle(order)
        for place in order:
            times[place].append(seconds(works[place], device))
    return times


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def gemm_rate(device: torch.device) -> float:
    """FLOP/s of a large float32 matrix product; on a CPU on all cores together, one thread each."""

    def work(_: int, tick: Callable[[], None]) -> float:
        a, b = (torch.randn(GEMM_SIZE, GEMM_SIZE, device=device) for _ in range(2))
        times = [seconds(lambda: a @ b, device) for _ in range(30)]
        return 2 * GEMM_SIZE**3 / statistics.median(times)

    return sum(in_parallel(work, range(WORKERS if device.type == "cpu" else 1), device))


def flops_of_a_step(task: Task, batch_size: int) -> int:
    """Floating-point operations of one training step of the base model, counted by torch."""
    model = seeded_model(task.make_model, 0)
    counter = FlopCounterMode(display=False)
    with counter:
        model(task.train.x[:batch_size].cpu()).sum().backward()
    return int(counter.get_total_flops())


def with_peak_memory(work: Callable[[], float]) -> tuple[float, float | None]:
    """What `work` returns, and by how many MiB the memory of its process grew at most (Linux only)."""
    if not Path("/proc/self/clear_refs").exists():
        return work(), None
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_probe, args=(work, sender))
    process.start()
    sender.close()  # so that the wait ends if the process dies
    found: tuple[float, float] = receiver.recv()
    process.join()
    return found


def _probe(work: Callable[[], float], sender: Any) -> None:
    torch.set_num_threads(1)  # the pool of threads did not survive the fork
    parallel.WORKERS = 1  # all pieces here and not in processes of their own
    _release_free_memory()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    value = work()
    sender.send((value, _memory("VmHWM") - before))


def _release_free_memory() -> None:
    """Give back what the parent had freed: work that reuses it would seem to need nothing."""
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other libraries keep less
    if release is not None:
        release(0)


def _memory(field: str) -> float:
    """MiB of this process, from the kernel."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)
