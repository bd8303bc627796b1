"""Pieces of work in forked processes, which are watched."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

from symloss.errors import StoppedError
from symloss.workers.settling import settle
from symloss.workers.terms import Item, Lost, Result, Terms, Tick, asked_to_stop, lost, or_raised

BEAT = 0.05
"""Seconds between the signs of life that a process sends."""

PATIENCE = 0.5
"""Seconds after which it is looked at which processes have been silent for too long."""


def in_processes(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: Terms, at_once: int
) -> list[Result | Lost]:
    """Every item in a process of its own, `at_once` of them at a time."""
    _prepare_to_fork()
    crowd = _Crowd(work, terms)
    found = crowd.run(list(enumerate(items)), at_once)
    # A process that the system ended for want of memory may succeed where nothing runs beside it.
    for index in sorted(index for index, outcome in found.items() if _was_killed(outcome)):
        found |= crowd.run([(index, items[index])], 1)
    return [found[index] for index in range(len(items))]


def _was_killed(outcome: Any) -> bool:
    return isinstance(outcome, Lost) and outcome.how == "killed"


@dataclass
class _Running:
    """A process at work. heard: when it last gave a sign of life."""

    index: int
    process: Any
    heard: float


class _Crowd:
    """Processes that work on pieces, and what comes of them."""

    def __init__(self, work: Callable[[Any, Tick], Any], terms: Terms) -> None:
        self._work, self._terms = work, terms
        self._running: dict[Connection, _Running] = {}

    def run(self, pieces: Sequence[tuple[int, Any]], at_once: int) -> dict[int, Any]:
        """Results of the pieces, or Lost, by their number. Raises StoppedError if that was asked for."""
        waiting, found = list(pieces)[::-1], dict[int, Any]()
        try:
            while (waiting and not asked_to_stop()()) or self._running:
                while waiting and len(self._running) < at_once and not asked_to_stop()():
                    self._begin(*waiting.pop())
                for index, outcome in self._ended():
                    found[index] = outcome
                    if not isinstance(outcome, Lost):
                        self._terms.done(index, outcome)
                    elif not self._terms.spare and not _was_killed(outcome):
                        or_raised(outcome)
                self._terms.tick()
        finally:
            for receiver in list(self._running):
                self._end(receiver)
        if waiting:
            raise StoppedError
        return found

    def _begin(self, index: int, item: Any) -> None:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        receivers = [*self._running, receiver]
        process = context.Process(
            target=_serve, args=(self._work, item, sender, receivers, self._terms.spare), daemon=True
        )
        with warnings.catch_warnings():
            # Python warns of forking beside other threads, such as a display's, whose locks the child
            # does not need: see `_serve`.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        sender.close()
        self._running[receiver] = _Running(index, process, time.monotonic())

    def _ended(self) -> Iterator[tuple[int, Any]]:
        """Waits for signs of life, and yields what has come to an end."""
        now = time.monotonic()
        for ready in wait(list(self._running), None if self._terms.silence is None else PATIENCE):
            assert isinstance(ready, Connection)
            own = self._running[ready]
            own.heard = now = time.monotonic()
            outcome = _received(ready, own.process)
            if outcome is not _ALIVE:
                self._end(ready)
                yield own.index, outcome
        silence = self._terms.silence
        for receiver, own in list(self._running.items()):
            if silence is not None and now - own.heard > silence:
                self._end(receiver)
                yield own.index, Lost("timed-out", f"a step of training took more than {silence:g} seconds")

    def _end(self, receiver: Connection) -> None:
        own = self._running.pop(receiver)
        own.process.kill()
        own.process.join()
        receiver.close()


def _prepare_to_fork() -> None:
    """Load and look up what not every process should for itself."""
    torch.optim.SGD([torch.zeros(1)], lr=1.0)
    _thread_pools(len(sys.modules))


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:
    """The thread pools of loaded libraries, which are looked for as long as modules are being imported."""
    return ThreadpoolController()


def _serve(
    work: Callable[[Item, Tick], Result],
    item: Item,
    sender: Connection,
    receivers: Sequence[Connection],
    spare: bool,
) -> None:
    """In the forked process: do the work, and send signs of life and at last the outcome."""
    for receiver in receivers:
        receiver.close()  # the parent's ends: a pipe breaks when the last one is closed
    # A display may have put its own in their place, with a lock that it held when this process was forked.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Thread pools do not survive a fork: whoever used one here would wait for ever.
    _thread_pools(len(sys.modules)).limit(limits=1)
    settle()
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= BEAT:
            last = now
            sender.send_bytes(b"")  # raises if the parent is gone

    try:
        outcome: Any = work(item, tick)
    except BaseException as error:
        failure = lost(error)
        outcome = Lost(failure.how, failure.reason) if spare else failure
    with suppress(OSError):  # the parent is gone, and nobody is left to tell
        sender.send_bytes(_packed(outcome))
    sender.close()


def _packed(outcome: Any) -> bytes:
    try:
        data = pickle.dumps(outcome)
        if isinstance(outcome, Lost):
            pickle.loads(data)  # noqa: S301 -- our own bytes; some exceptions can be written but not read
        return data
    except Exception as error:
        return pickle.dumps(replace(outcome, error=None) if isinstance(outcome, Lost) else lost(error))


_ALIVE = object()
"""Stands for a sign of life."""


def _received(receiver: Connection, process: Any) -> Any:
    """The outcome, or `_ALIVE`. Lost if the process is gone."""
    try:
        data = receiver.recv_bytes()
    except (EOFError, OSError):
        process.join()
        return Lost(
            "killed",
            f"a process that trained networks ended by itself (exit code {process.exitcode}; -9 is often a "
            "lack of memory); use a smaller training.models_at_once or fewer cores (OMP_NUM_THREADS)",
        )
    return pickle.loads(data) if data else _ALIVE  # noqa: S301 -- from our own child, through its own pipe
