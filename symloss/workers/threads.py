"""Pieces of work in threads of this process, or one after another."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from typing import Any

from symloss.errors import StoppedError
from symloss.workers.settling import settle
from symloss.workers.terms import (
    FAILURES,
    Item,
    Lost,
    Result,
    Terms,
    Tick,
    asked_to_stop,
    check_stop,
    lost,
)


def one_by_one(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: Terms
) -> list[Result | Lost]:
    """Every item here and now; what fails is lost alone."""
    found: list[Result | Lost] = []
    for index, item in enumerate(items):
        check_stop()
        try:
            result = work(item, terms.tick)
        except FAILURES as error:
            found.append(lost(error))
            continue
        terms.done(index, result)
        found.append(result)
    return found


class _CancelledError(Exception):
    """Ends a piece of work whose result nobody waits for any more."""


def in_threads(
    work: Callable[[Item, Tick], Result], items: Sequence[Item], terms: Terms, at_once: int
) -> list[Result | Lost]:
    """Every item in a thread, `at_once` of them at a time."""
    cancelled = threading.Event()
    stop = asked_to_stop()

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
        except FAILURES as error:
            if not terms.spare:
                raise
            return lost(error)

    with ThreadPoolExecutor(at_once, initializer=settle) as pool:
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


def _tell_done(futures: Sequence[Future[Any]], terms: Terms) -> None:
    for index, future in enumerate(futures):
        if future.exception() is None and not isinstance(future.result(), Lost):
            terms.done(index, future.result())
