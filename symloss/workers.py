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
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from symloss.errors import StoppedError, SymlossError, WorkerError

WORKERS = torch.get_num_threads()
"""Pieces that run at a time: the threads that torch would use by its own rules (OMP_NUM_THREADS, ...)."""

FORKS = sys.platform == "linux" and not torch.cuda.is_available()
"""Whether pieces run in forked processes."""

BEAT = 0.05
"""Seconds between the signs of life that a process sends."""

PATIENCE = 0.5
"""Seconds after which it is looked at which processes have been silent for too long."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Tick = Callable[[], None]


@dataclass(frozen=True)
class Lost:
    """A piece of work that came to nothing.

    how:    "failed" (it raised), "timed-out", "out-of-memory", or "killed" (its process ended, twice).
    reason: in words, on one line.
    error:  what it raised, if it raised something that can be raised again here.
    """

    how: str
    reason: str
    error: BaseException | None = field(default=None, compare=False)


_stop: ContextVar[Callable[[], bool]] = ContextVar("_stop", default=lambda: False)


@contextmanager
def stopping(stop: Callable[[], bool]) -> Iterator[None]:
    """Within the block, no piece of work is begun once `stop()` is true: those that run are finished, what
    `attempted` tells its caller is told, and StoppedError is raised.
    """
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def in_parallel(
    work: Callable[[Item, Tick], Result],
    items: Sequence[Item],
    device: torch.device,
    tick: Tick | None = None,
) -> list[Result]:
    """`work(item, tick)` of every item, in order. On other devices than the CPU one after another.

    work: calls `tick` at every step of its own. Its result must be something that can be pickled.
    tick: called here now and then while the work goes on; should be quick.
    If a piece raises, or the wait is interrupted, the others are ended. A piece whose process is killed is
    done once more, alone.
    Raises: what a piece raised; WorkerError if its process was killed again; StoppedError, see `stopping`.
    """
    show = tick or (lambda: None)
    if device.type != "cpu":
        return [_unless_stopped(work, item, show) for item in items]
    with one_thread():
        if len(items) < 2 or WORKERS < 2 or _childless():
            return [_unless_stopped(work, item, show) for item in items]
        found = (_in_processes if FORKS else _in_threads)(work, items, _Terms(show))
    return [_or_raised(outcome) for outcome in found]


def attempted(
    work: Callable[[Item, Tick], Result],
    items: Sequence[Item],
    device: torch.device,
    tick: Tick | None = None,
    silence: float | None = None,
    done: Callable[[int, Result], None] = lambda index, result: None,
) -> list[Result | Lost]:
    """As `in_parallel`, but a piece that fails is `Lost`, and the others go on.

    silence: seconds without a call of its `tick` after which a piece is given up.
    done:    called with the position and the result of each piece as soon as it is there.
    Where processes cannot be forked a piece that hangs, or ends the process, cannot be told apart.
    """
    terms = _Terms(tick or (lambda: None), silence, done, spare=True)
    if device.type != "cpu":
        return _one_by_one(work, items, terms)
    with one_thread():
        if FORKS and not _childless():
            return _in_processes(work, items, terms)  # also a single one: it may end its process
        return _in_threads(work, items, terms) if WORKERS > 1 else _one_by_one(work, items, terms)


@dataclass(frozen=True)
class _Terms:
    """How pieces are worked on: see `attempted`. spare: the failure of one does not end the others."""

    tick: Tick
    silence: float | None = None
    done: Callable[[int, Any], None] = lambda index, result: None
    spare: bool = False


def _childless() -> bool:
    """Whether this process may have no children, being made to end with its parent as those of pools."""
    return multiprocessing.current_process().daemon


def _check_stop() -> None:
    if _stop.get()():
        raise StoppedError


def _unless_stopped(work: Callable[[Item, Tick], Result], item: Item, tick: Tick) -> Result:
    _check_stop()
    return work(item, tick)


def _one_by_one(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: _Terms
) -> list[Result | Lost]:
    found: list[Result | Lost] = []
    for index, item in enumerate(items):
        _check_stop()
        try:
            result = work(item, terms.tick)
        except _FAILURES as error:
            found.append(_lost(error))
            continue
        terms.done(index, result)
        found.append(result)
    return found


_FAILURES = (Exception, SystemExit)
"""What a piece may raise without ending everything. A user's code may call sys.exit."""


def _lost(error: BaseException) -> Lost:
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    plain = str(error) if isinstance(error, SymlossError) else f"{type(error).__name__}: {error}"
    reason = " ".join(plain.split())
    reason = reason if len(reason) <= 400 else f"{reason[:400]}..."
    return Lost("out-of-memory" if memory else "failed", reason, error)


def _or_raised(outcome: Result | Lost) -> Result:
    if isinstance(outcome, Lost):
        raise outcome.error or WorkerError(outcome.reason)
    return outcome


def _in_processes(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: _Terms
) -> list[Result | Lost]:
    _prepare_to_fork()
    crowd = _Crowd(work, terms)
    found = crowd.run(list(enumerate(items)), WORKERS)
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

    def __init__(self, work: Callable[[Any, Tick], Any], terms: _Terms) -> None:
        self._work, self._terms = work, terms
        self._running: dict[Connection, _Running] = {}

    def run(self, pieces: Sequence[tuple[int, Any]], at_once: int) -> dict[int, Any]:
        """Results of the pieces, or Lost, by their number. Raises StoppedError if that was asked for."""
        waiting, found = list(pieces)[::-1], dict[int, Any]()
        try:
            while (waiting and not _stop.get()()) or self._running:
                while waiting and len(self._running) < at_once and not _stop.get()():
                    self._begin(*waiting.pop())
                for index, outcome in self._ended():
                    found[index] = outcome
                    if not isinstance(outcome, Lost):
                        self._terms.done(index, outcome)
                    elif not self._terms.spare and not _was_killed(outcome):
                        _or_raised(outcome)
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
    """Load what torch loads late, so that not every process does it for itself."""
    torch.optim.SGD([torch.zeros(1)], lr=1.0)


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
        outcome: Any = work(item, tick)
    except BaseException as error:
        lost = _lost(error)
        outcome = Lost(lost.how, lost.reason) if spare else lost
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
        return pickle.dumps(replace(outcome, error=None) if isinstance(outcome, Lost) else _lost(error))


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


class _CancelledError(Exception):
    """Ends a piece of work whose result nobody waits for any more."""


def _in_threads(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: _Terms
) -> list[Result | Lost]:
    cancelled = threading.Event()
    stop = _stop.get()

    def checked() -> None:
        if cancelled.is_set():
            raise _CancelledError
        terms.tick()

    def run(item: Item) -> Result | Lost:
        if stop():
            raise StoppedError
        try:
            return work(item, checked)
        except (_CancelledError, StoppedError):
            raise
        except _FAILURES as error:
            if not terms.spare:
                raise
            return _lost(error)

    with ThreadPoolExecutor(WORKERS, initializer=_settle) as pool:
        futures = [pool.submit(run, item) for item in items]
        try:
            # In order of failing, not of asking: the others are not worth waiting for then.
            failed = concurrent.futures.wait(futures, return_when=FIRST_EXCEPTION).done
            for future in failed:
                if not isinstance(future.exception(), StoppedError):
                    future.result()
            concurrent.futures.wait(futures)
            _tell_done(futures, terms)
            return [future.result() for future in futures]
        except BaseException:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _tell_done(futures: Sequence[Future[Any]], terms: _Terms) -> None:
    for index, future in enumerate(futures):
        if future.exception() is None and not isinstance(future.result(), Lost):
            terms.done(index, future.result())


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
