"""Several pieces of CPU work at once, one thread each, with the same result on any number of cores.

One torch operation on a small network is too short to be split over threads: the threads would spend their
time waiting for one another, and on a busy machine nearly all of it. So each piece of work runs on one
thread, and as many pieces at a time as torch has threads. How work is cut into pieces never depends on
the machine, which is what makes results independent of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

WORKERS = torch.get_num_threads()
"""Pieces that run at a time: the threads that torch would use by its own rules (OMP_NUM_THREADS, ...)."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Tick = Callable[[], None]


class _CancelledError(Exception):
    """Ends a piece of work whose result nobody waits for any more."""


def in_parallel(
    work: Callable[[Item, Tick], Result],
    items: Sequence[Item],
    device: torch.device,
    tick: Tick | None = None,
) -> list[Result]:
    """`work(item, tick)` of every item, in order. On other devices than the CPU one after another.

    tick: called by the workers at every step of theirs; should be quick.
    If a piece raises, or the wait is interrupted, the others end at their next tick.
    """
    show = tick or (lambda: None)
    if device.type != "cpu":
        return [work(item, show) for item in items]
    cancelled = threading.Event()

    def checked() -> None:
        if cancelled.is_set():
            raise _CancelledError
        show()

    with one_thread(), ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(work, item, checked) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's operations run on one thread each; afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
