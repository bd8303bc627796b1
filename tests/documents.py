"""Shared by the tests of documents: the examples in them, and running those in a process of their own."""

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command, which has to succeed, prints in a folder where this symloss can be imported."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
