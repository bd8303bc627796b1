"""Several pieces of CPU work at once, one thread each, with the same result on any number of cores.

One torch operation on a small network is too short to be split over threads: the threads would spend their
time waiting for one another, and on a busy machine nearly all of it. So each piece of work runs on one
thread, and as many pieces at a time as torch has threads. How work is cut into pieces never depends on
the machine, which is what makes results independent of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
Tick = Callable[[], None]


class _Cancelled(Exception):
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
    threads = torch.get_num_threads()
    cancelled = threading.Event()

    def checked() -> None:
        if cancelled.is_set():
            raise _Cancelled
        show()

    try:
        with ThreadPoolExecutor(min(threads, max(1, len(items))), initializer=_use_one_thread) as pool:
            futures = [pool.submit(work, item, checked) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)  # some of torch's libraries count threads per process


def _use_one_thread() -> None:
    torch.set_num_threads(1)
