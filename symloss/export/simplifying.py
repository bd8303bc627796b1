"""Simplification of formulas for reading, by SymPy in a process that can be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import sympy
from sympy.core.cache import clear_cache

from symloss.export.algebra import same_values, symbols_for, to_sympy, with_whole_numbers
from symloss.export.trees import from_tree, to_tree
from symloss.expr import parse_expression, print_expression
from symloss.records import Kind, SymbolicLoss

TIME_LIMIT = 10.0
"""Seconds that simplification may take; SymPy can hang."""


def simplified(loss: SymbolicLoss, time_limit: float = TIME_LIMIT) -> sympy.Expr:
    """A simpler SymPy form of the formula if there is one in time that has the same values.

    Otherwise `to_sympy` of it. Values are compared where no guard is active, since the guards are
    left out in a form for reading.
    """
    plain = to_sympy(loss.expression, kind=loss.kind)
    tree = _simplified_elsewhere(loss, time_limit)
    if tree is None:
        return plain
    try:
        shorter = from_tree(tree, symbols_for(loss.kind))
    except (KeyError, TypeError, ValueError):
        return plain
    return shorter if shorter.count_ops() < plain.count_ops() and same_values(loss, shorter) else plain


@contextmanager
def kept() -> Iterator[_Helper]:
    """Within it, formulas are simplified by one process; starting one takes longer than most formulas do."""
    if (known := _CURRENT.get()) is not None:
        yield known
        return
    token = _CURRENT.set(helper := _Helper())
    try:
        yield helper
    finally:
        _CURRENT.reset(token)
        helper.stop()


def _simplified_elsewhere(loss: SymbolicLoss, time_limit: float) -> Any:
    """The simplified form as a tree, from the other process; None if that fails or takes too long."""
    with kept() as helper:
        answer = helper.ask(json.dumps([print_expression(loss.expression), loss.kind.value]), time_limit)
    try:
        return json.loads(answer)
    except ValueError:
        return None


_CHILD = "from symloss.export.simplifying import serve; serve()"


class _Helper:
    """The other process. It is started when it is needed, and again after it had to be stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, request: str, time_limit: float) -> str:
        """The answer to a line; empty if there was none in time."""
        process = self._process = self._process or _started()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(time_limit, process.kill)  # and reading comes to an end
        late.start()
        try:
            print(request, file=process.stdin, flush=True)
            answer = process.stdout.readline()
        except OSError:  # it is gone
            answer = ""
        late.cancel()
        late.join()
        if not answer or process.poll() is not None:
            self.stop()
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            with suppress(OSError):  # what was left to write
                self._process.communicate()
            self._process = None


_CURRENT: ContextVar[_Helper | None] = ContextVar("helper", default=None)


def _started() -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
        [sys.executable, "-c", _CHILD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )


def serve() -> None:
    """What the other process does: a formula on each line in, a tree on each line out."""
    for line in sys.stdin:
        text, kind = json.loads(line)
        plain = to_sympy(parse_expression(text), kind=Kind(kind))
        found = [sympy.simplify(plain), sympy.factor_terms(plain), sympy.logcombine(plain)]
        tree = to_tree(min(map(with_whole_numbers, found), key=sympy.count_ops))
        print(json.dumps(tree), flush=True)
        clear_cache()  # what a formula leads to does not depend on those before it
