"""Draws inputs, tries them, and keeps the smallest of those that are findings."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from benchmarks.fuzz.targets import TARGETS, Target
from symloss.errors import SymlossError

SLOW = 2.0
"""Seconds of the processor that no input may take."""

HANGING = 60.0
"""Seconds after which an input is given up."""

BATCH = 500
"""Inputs after which hypothesis starts anew: it remembers all that it has drawn."""

MOST = 20
"""Findings after which a target is left alone."""


@dataclass(frozen=True)
class Finding:
    """An input that was not answered well. error: what happened, and where. input: the smallest one."""

    error: str
    input: str


@dataclass(frozen=True)
class Result:
    """What came of a target."""

    target: str
    engine: str
    inputs: int
    seconds: float
    findings: tuple[Finding, ...] = ()


class TooSlowError(BaseException):
    """Not an Exception, so that nothing on the way takes it for its own.

    For that reason hypothesis does not make such an input smaller either, which would take long.
    """


@dataclass
class Trial:
    """Tries inputs on a target. inputs: tried so far. findings: by what happened and where."""

    target: Target
    inputs: int = 0
    findings: dict[str, Any] = field(default_factory=dict)
    last: tuple[str, Any] | None = None

    def __call__(self, value: Any) -> None:
        """Try a value. Raises what it ends in if that is a finding that is not known yet."""
        self.inputs += 1
        try:
            self._timed(value)
        except (Exception, TooSlowError) as error:
            name = described(error)
            if name in self.findings:
                return
            self.last = name, value
            raise

    def _timed(self, value: Any) -> None:
        seconds = spent(self.target.work, value)
        # The first use of a command imports what it needs, which is not the input's fault.
        if seconds > SLOW and spent(self.target.work, value) > SLOW:
            raise TooSlowError(f"took {seconds:.1f} s")

    def keep(self) -> None:
        """Keep what was raised last, which is the smallest when hypothesis has ended."""
        if self.last is not None:
            name, value = self.last
            self.findings[name] = value
            self.last = None


def spent(work: Callable[[Any], None], value: Any) -> float:
    """Seconds of the processor that the work took, whatever it ended in but for a finding."""
    began = time.process_time()
    with given_up(), suppress(SymlossError):
        work(value)
    return time.process_time() - began


@contextmanager
def given_up() -> Iterator[None]:
    """Raise TooSlowError in what never ends, where the system has such a clock."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"was given up after {HANGING:g} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, HANGING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def described(error: BaseException) -> str:
    """What was raised and where in symloss: two inputs with the same description are one finding."""
    if isinstance(error, TooSlowError):
        return "TooSlow"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/symloss/" in frame.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{type(error).__name__} at {place}"


def attempt(trial: Trial, inputs: int, number: int) -> Any:
    """A hypothesis test that gives a trial so many inputs."""

    @seed(number)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(trial.target.inputs)
    def one(value: Any) -> None:
        trial(value)

    return one


def fuzz(target: str, inputs: int, seed: int = 0, seconds: float | None = None) -> Result:
    """Try inputs on a target, named as in `TARGETS`, until they are done or the time is over."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, TARGETS[target](Path(folder)) as made:
        trial, batch = Trial(made), 0
        while trial.inputs < inputs and len(trial.findings) < MOST:
            if seconds is not None and time.monotonic() - began > seconds:
                break
            before = trial.inputs
            try:
                attempt(trial, min(BATCH, inputs - trial.inputs), seed * 1_000_003 + batch)()
            except (Exception, TooSlowError) as error:
                if trial.last is None and not isinstance(error, Flaky):
                    raise  # a defect of this program
                trial.keep()
            batch += 1
            if trial.inputs == before:
                break  # there are no more
    findings = tuple(Finding(name, shortened(repr(value))) for name, value in trial.findings.items())
    return Result(target, "hypothesis", trial.inputs, round(time.monotonic() - began, 1), findings)


def shortened(text: str, length: int = 2_000) -> str:
    """Not more of a text than a page can show."""
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
