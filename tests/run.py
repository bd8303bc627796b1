"""Set up an environment and run every check: `python3 tests/run.py [pytest options]`.

Needs nothing but Python. The environment is kept in .venv at the top of the project and used again.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
HOME = TOP / ".venv"
PYTHON = HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

CHECKS = [
    ["-m", "ruff", "check", "."],
    ["-m", "ruff", "format", "--check", "."],
    ["-m", "mypy"],
    ["-c", "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"],
    ["-m", "pytest", "-n", "2"],
]


def run(*command: str) -> int:
    """Run a command from the top of the project, showing it."""
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, cwd=TOP, check=False).returncode


def prepare() -> None:
    """Create the environment unless it is there, and install symloss with its checks."""
    if not PYTHON.exists():
        venv.create(HOME, with_pip=True)
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if run(*install, "-c", "constraints.txt", "-e", ".[dev]"):
        sys.exit("the installation failed")


def main(options: list[str]) -> None:
    """All checks, the tests last; the first that fails ends it."""
    prepare()
    for check in CHECKS:
        extra = options if "pytest" in check else []
        if status := run(str(PYTHON), *check, *extra):
            sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
