"""How many pieces of work run at once, and where."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence

import torch

from symloss.workers.processes import in_processes
from symloss.workers.settling import one_thread
from symloss.workers.terms import Item, Lost, Result, Terms, Tick, check_stop, or_raised
from symloss.workers.threads import in_threads, one_by_one

WORKERS = torch.get_num_threads()
"""Pieces that run at a time: the threads that torch would use by its own rules (OMP_NUM_THREADS, ...)."""

FORKS = sys.platform == "linux" and not torch.cuda.is_available()
"""Whether pieces run in forked processes."""


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
        found = (in_processes if FORKS else in_threads)(work, items, Terms(show), WORKERS)
    return [or_raised(outcome) for outcome in found]


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
    terms = Terms(tick or (lambda: None), silence, done, spare=True)
    if device.type != "cpu":
        return one_by_one(work, items, terms)
    with one_thread():
        if FORKS and not _childless():
            return in_processes(work, items, terms, WORKERS)  # also a single one: it may end its process
        return in_threads(work, items, terms, WORKERS) if WORKERS > 1 else one_by_one(work, items, terms)


def _childless() -> bool:
    """Whether this process may have no children, being made to end with its parent as those of pools."""
    return multiprocessing.current_process().daemon


def _unless_stopped(work: Callable[[Item, Tick], Result], item: Item, tick: Tick) -> Result:
    check_stop()
    return work(item, tick)
