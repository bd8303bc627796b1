"""Several pieces of CPU work at once, one thread each, with the same result on any number of cores.

One torch operation on a small network is too short to be split over threads: the threads would spend their
time waiting for one another, and on a busy machine nearly all of it. Nor can two Python threads share the
work, since they take turns. So each piece of work runs in a process of its own, forked from this one, on one
thread, and as many pieces at a time as torch has threads. How work is cut into pieces never depends on the
number of cores, which is what makes results independent of it.

A forked process sees everything that this one has, so nothing but its result has to be sent. Where processes
cannot be forked (Windows), or not safely (macOS; beside CUDA, for which autograd keeps threads), pieces run
in threads.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from symloss.errors import WorkerError

WORKERS = torch.get_num_threads()
"""Pieces that run at a time: the threads that torch would use by its own rules (OMP_NUM_THREADS, ...)."""

FORKS = sys.platform == "linux" and not torch.cuda.is_available()
"""Whether pieces run in forked processes."""

BEAT = 0.05
"""Seconds between the signs of life that a process sends."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Tick = Callable[[], None]


def in_parallel(
    work: Callable[[Item, Tick], Result],
    items: Sequence[Item],
    device: torch.device,
    tick: Tick | None = None,
) -> list[Result]:
    """`work(item, tick)` of every item, in order. On other devices than the CPU one after another.

    work: calls `tick` at every step of its own. Its result must be something that can be pickled.
    tick: called here now and then while the work goes on; should be quick.
    If a piece raises, or the wait is interrupted, the others are ended.
    Raises: what a piece raised; WorkerError if its process was killed.
    """
    show = tick or (lambda: None)
    if device.type != "cpu":
        return [work(item, show) for item in items]
    with one_thread():
        # A process that was made to end with its parent, as those of a pool are, may have no children.
        if len(items) < 2 or WORKERS < 2 or multiprocessing.current_process().daemon:
            return [work(item, show) for item in items]
        return (_in_processes if FORKS else _in_threads)(work, items, show)


def _in_processes(work: Callable[[Item, Tick], Result], items: Sequence[Item], tick: Tick) -> list[Result]:
    _prepare_to_fork()
    context = multiprocessing.get_context("fork")
    results: dict[int, Result] = {}
    running: dict[Connection, tuple[int, Any]] = {}
    waiting = list(enumerate(items))[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < WORKERS:
                index, item = waiting.pop()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(
                    target=_serve, args=(work, item, sender, [*running, receiver]), daemon=True
                )
                with warnings.catch_warnings():
                    # Python warns of forking beside other threads, such as a display's, whose locks the child
                    # does not need: see `_serve`.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    process.start()
                sender.close()
                running[receiver] = (index, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                index, process = running[ready]
                message = _received(ready, process)
                if message is None:
                    tick()
                    continue
                del running[ready]
                ready.close()
                process.join()
                results[index] = _unwrapped(message)
                tick()
    finally:
        for receiver, (_, process) in running.items():
            process.kill()
            process.join()
            receiver.close()
    return [results[index] for index in range(len(items))]


def _prepare_to_fork() -> None:
    """Load what torch loads late, so that not every process does it for itself."""
    torch.optim.SGD([torch.zeros(1)], lr=1.0)


def _serve(
    work: Callable[[Item, Tick], Result], item: Item, sender: Connection, receivers: Sequence[Connection]
) -> None:
    """In the forked process: do the work, and send signs of life and at last the outcome."""
    for receiver in receivers:
        receiver.close()  # the parent's ends: a pipe breaks when the last one is closed
    # A display may have put its own in their place, with a lock that it held when this process was forked.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1)  # thread pools do not survive a fork: whoever used one here would wait for ever
    _settle()
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= BEAT:
            last = now
            sender.send_bytes(b"")  # raises if the parent is gone

    try:
        outcome: tuple[bool, Any] = (True, work(item, tick))
    except BaseException as error:
        outcome = (False, error)
    with suppress(OSError):  # the parent is gone, and nobody is left to tell
        sender.send_bytes(_packed(outcome))
    sender.close()


def _packed(outcome: tuple[bool, Any]) -> bytes:
    try:
        data = pickle.dumps(outcome)
        if not outcome[0]:
            pickle.loads(data)  # noqa: S301 -- our own bytes; some exceptions can be written but not read
        return data
    except Exception as error:
        found = outcome[1] if not outcome[0] else error
        return pickle.dumps((False, WorkerError(f"{type(found).__name__}: {found}")))


def _received(receiver: Connection, process: Any) -> tuple[bool, Any] | None:
    """The outcome, or None for a sign of life. Raises WorkerError if the process is gone."""
    try:
        data = receiver.recv_bytes()
    except (EOFError, OSError):
        process.join()
        raise WorkerError(
            f"a process that trained networks ended by itself (exit code {process.exitcode}; -9 is often a "
            "lack of memory); use a smaller training.models_at_once or fewer cores (OMP_NUM_THREADS)"
        ) from None
    return pickle.loads(data) if data else None  # noqa: S301 -- from our own child, through its own pipe


def _unwrapped(outcome: tuple[bool, Any]) -> Any:
    good, value = outcome
    if not good:
        raise value
    return value


class _CancelledError(Exception):
    """Ends a piece of work whose result nobody waits for any more."""


def _in_threads(work: Callable[[Item, Tick], Result], items: Sequence[Item], tick: Tick) -> list[Result]:
    cancelled = threading.Event()

    def checked() -> None:
        if cancelled.is_set():
            raise _CancelledError
        tick()

    with ThreadPoolExecutor(WORKERS, initializer=_settle) as pool:
        futures = [pool.submit(work, item, checked) for item in items]
        try:
            # In order of failing, not of asking: the others are not worth waiting for then.
            failed = concurrent.futures.wait(futures, return_when=FIRST_EXCEPTION).done
            for future in failed:
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's operations run on one thread each and as `_settle` wants them; afterwards as before."""
    before, flushing = torch.get_num_threads(), _flushes()
    _settle()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(flushing)


def _settle() -> None:
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
