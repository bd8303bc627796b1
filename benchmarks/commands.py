"""Commands of symloss whose results stay in folders, for benchmarks that take long."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def once(command: Sequence[str], folder: Path, resumes: bool) -> None:
    """Run a command that writes to `folder`, unless it has finished there; go on where it was stopped.

    resumes: whether it goes on by `symloss resume`, and not by the same command.
    Raises: SystemExit if another command has finished there.
    """
    finished = folder.with_suffix(".finished")
    text = shlex.join(command)
    if finished.exists():
        if finished.read_text() != text:
            raise SystemExit(f"{folder} was made by `symloss {finished.read_text()}`; choose another --out")
        return
    words = ["resume", str(folder)] if resumes and folder.exists() else list(command)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "symloss", *words], check=True)
    finished.write_text(text)
