"""The engine that is Julia's: PySR in a process of its own, JSON in, `hall_of_fame.csv` out.

juliacall may crash where torch has been imported first, and a search in Julia cannot be interrupted from
Python; a process can always be ended, and what it has written until then counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symloss.errors import ConfigError, ExpressionError, WorkerError
from symloss.expr import fold, without_offset
from symloss.fitting import pysr_worker
from symloss.fitting.constants import refitted
from symloss.fitting.front import Front, trimmed
from symloss.fitting.genetic import FitSettings
from symloss.fitting.pysr_arguments import arguments_for
from symloss.fitting.pysr_equations import Equation, parse_hall_of_fame
from symloss.fitting.pysr_there import require_pysr
from symloss.fitting.samples import Samples
from symloss.grammar import Grammar
from symloss.losses.calls import Array

GRACE = 600.0
"""Seconds beyond its time limit that the process may take: the first start of Julia compiles for minutes."""

POLL = 0.2
"""Seconds between looks at the process."""


def fit_with_pysr(
    samples: Samples,
    grammar: Grammar,
    settings: FitSettings,
    tick: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
    worker: Sequence[str] | None = None,
) -> Front:
    """The front that PySR finds, its constants fitted again as ours are.

    worker: the command that runs instead of PySR's, given the name of the job; for tests.
    Raises ConfigError if PySR or Julia are missing, WorkerError if the process fails.
    """
    if samples.of != "value":
        raise ConfigError("engine pysr fits values; leave out --fit slope, or use --engine deap")
    if worker is None:
        require_pysr()
        worker = [sys.executable, pysr_worker.__file__]
    job = {
        "arguments": arguments_for(grammar, settings.largest, settings.seconds, settings.seed),
        "prediction": samples.domain.prediction.tolist(),
        "target": samples.domain.target.tolist(),
        "weight": (samples.domain.weight * len(samples.domain.weight)).tolist(),
        "wanted": from_zero(samples).tolist(),
    }
    tick("PySR starts Julia; the first time takes minutes")
    equations = run_worker(worker, job, settings.seconds + GRACE, stop)
    front = Front(settings.largest)
    for equation in equations:
        front.add(refitted(fold(without_offset(fold(equation.expression))), samples))
    return trimmed(front, samples)


def from_zero(samples: Samples) -> Array:
    """Values without what training does not see: zero where the prediction is nearest to the target."""
    domain = samples.domain
    wanted: Array = samples.values.copy()
    for target in np.unique(domain.target):
        rows = domain.target == target
        nearest = np.argmin(np.abs(domain.prediction[rows] - target))
        wanted[rows] -= samples.values[rows][nearest]
    return wanted


def run_worker(
    worker: Sequence[str], job: dict[str, Any], seconds: float, stop: Callable[[], bool] = lambda: False
) -> list[Equation]:
    """What a worker finds until it ends, the time is over, or `stop` says so. It leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="symloss-pysr-", ignore_cleanup_errors=True) as top:
        folder = Path(top)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with open(folder / "stderr.txt", "wb") as errors:
            process = subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
                [*worker, "job.json"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        try:
            ended = _waited(process, seconds, stop)
        finally:
            _end(process)
        return _harvest(folder, process.returncode if ended else 0)


def _waited(process: subprocess.Popen[bytes], seconds: float, stop: Callable[[], bool]) -> bool:
    """Whether the process ended by itself."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not stop():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL)
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _harvest(folder: Path, status: int) -> list[Equation]:
    """The equations that were written last and can be read whole."""
    # PySR writes a copy first, so one of the two is whole whenever it is ended.
    problem: ExpressionError | None = None
    for name in ("hall_of_fame.csv", "hall_of_fame.csv.bak"):
        for path in sorted((folder / "out").rglob(name)):
            try:
                found = parse_hall_of_fame(path.read_text(encoding="utf-8"), name)
            except ExpressionError as error:
                problem = problem or error
                continue
            if found:
                return found
    if problem is not None:
        raise problem
    lines = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    reason = lines[-1][:300] if lines else f"exit status {status}"
    raise WorkerError(f"PySR ended without an equation: {reason}; more --seconds may help, or --engine deap")
