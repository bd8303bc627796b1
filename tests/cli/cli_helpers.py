"""Shared by the tests of this folder: the smallest useful search, and the command line in this process."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from symloss.cli import main

TINY = (
    "--model linear --population 4 --generations 2 --set training.steps=20 --set training.learning_rate=0.05 "
    "--set tuning.steps=3 --set finalists.count=2 --set finalists.seeds=2"
)
"""Options of a search that takes about a second."""


def words(command):
    """The arguments of a command as one would type it; `TINY` stands for its options."""
    return shlex.split(command.replace("TINY", TINY))


def symloss(command, **environment):
    """Run a command in this process; `.output` is all that it prints, on both streams."""
    return CliRunner().invoke(main, words(command), prog_name="symloss", env=environment, terminal_width=100)


def succeed(command, **environment):
    """Run a command that has to succeed; returns what it prints on standard output."""
    result = symloss(command, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def process(command, **environment):
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "symloss", *words(command)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def contents(folder):
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
