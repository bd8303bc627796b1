"""Whether PySR and Julia are there, found out without starting either."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from symloss.errors import ConfigError

INSTALL_PYSR = "pip install 'symloss[pysr]'"
INSTALL_JULIA = "python -c 'import pysr' (downloads Julia), or install it from https://julialang.org/install"


@dataclass(frozen=True)
class PySRState:
    """pysr: its version, or None. julia: the path of an executable, or None."""

    pysr: str | None
    julia: str | None

    @property
    def missing(self) -> str | None:
        """What is missing and what to type, in one sentence; None if nothing is."""
        if self.pysr is None:
            return f"PySR is not installed; type: {INSTALL_PYSR}"
        if self.julia is None:
            return f"PySR {self.pysr} is installed and Julia is not; type: {INSTALL_JULIA}"
        return None


def pysr_state() -> PySRState:
    """What is there."""
    return PySRState(_pysr(), _julia())


def require_pysr() -> None:
    """Raise ConfigError if the engine `pysr` cannot run."""
    missing = pysr_state().missing
    if missing is not None:
        raise ConfigError(f"engine pysr cannot run: {missing}; or use --engine deap")


def _pysr() -> str | None:
    if importlib.util.find_spec("pysr") is None:  # importing it would start Julia, or download it
        return None
    try:
        return version("pysr")
    except PackageNotFoundError:
        return "of unknown version"


def _julia() -> str | None:
    """Julia where juliapkg, which PySR uses, looks for it or puts it."""
    for name in ("PYTHON_JULIACALL_EXE", "PYTHON_JULIAPKG_EXE"):
        if shutil.which(os.environ.get(name, "")):
            return shutil.which(os.environ[name])
    program = "julia.exe" if sys.platform == "win32" else "julia"
    project = os.environ.get("PYTHON_JULIAPKG_PROJECT") or os.path.join(sys.prefix, "julia_env")
    places = [
        Path(project) / "pyjuliapkg" / "install" / "bin" / program,
        Path.home() / ".julia" / "environments" / "pyjuliapkg" / "pyjuliapkg" / "install" / "bin" / program,
        Path.home() / ".juliaup" / "bin" / program,
    ]
    there = [str(place) for place in places if place.is_file()]
    return shutil.which("julia") or (there[0] if there else None)
