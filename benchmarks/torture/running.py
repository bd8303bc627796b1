"""Processes of symloss: begun, killed, and what they said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.torture.victims import SUITE, Victim

TOP = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Row:
    """What was done to runs, how often, and how often the answer was the right one.

    answer: what the right one is, or a number that was measured.
    """

    what: str
    tried: int
    right: int
    answer: str


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    output: str
    seconds: float

    @property
    def refused(self) -> bool:
        """Whether it ended with an error in one sentence, as a user should see it."""
        lines = [line for line in self.output.splitlines() if line.startswith("Error: ")]
        return self.code == 1 and len(lines) == 1 and "Traceback" not in self.output

    @property
    def finished(self) -> bool:
        """Whether all is done: now, or by the process before that was killed too late."""
        return self.code == 0 or (self.code == 1 and " is finished; " in self.output)


def started(
    command: list[str], folder: Path | None = None, module: str = "symloss", **environment: str
) -> subprocess.Popen[bytes]:
    """The command line of symloss, or another module, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *command],
        env={**os.environ, "PYTHONPATH": str(TOP), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=folder,
    )


def ended(process: subprocess.Popen[bytes], timeout: float | None = None) -> Ended:
    """Wait for a process. After `timeout` all of its group is killed, so that nothing can tidy up."""
    began = time.monotonic()
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return Ended(process.returncode, output.decode(errors="replace"), time.monotonic() - began)


def symloss(command: list[str], timeout: float | None = None, **environment: str) -> Ended:
    """Run the command line of symloss."""
    return ended(started(command, **environment), timeout)  # type: ignore[arg-type]


def to_the_end(victim: Victim, out: Path, materials: Path, **environment: str) -> float:
    """Run a victim, or the rest of it. The seconds it took. Raises RuntimeError if it fails."""
    own = symloss(victim.command(out, materials), **environment)  # type: ignore[arg-type]
    if not own.finished:
        raise RuntimeError(f"{victim.name} failed:\n{own.output}")
    return own.seconds


@dataclass
class Wholes:
    """Runs that nobody touched, each made when it is asked for, and what they are made of."""

    folder: Path

    def __post_init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.materials = self.folder / "materials"
        self.materials.mkdir()
        (self.materials / "suite.yaml").write_text(SUITE)

    def of(self, victim: Victim) -> Path:
        """The folder of a whole run."""
        out = self.folder / f"whole-{victim.name.replace(' ', '-')}"
        if not out.exists():
            self.seconds[victim.name] = to_the_end(victim, out, self.materials, PYTHONHASHSEED="0")
        return out
