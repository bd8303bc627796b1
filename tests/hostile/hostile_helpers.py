"""Shared by the tests of this folder: one sentence, soon, and nothing else."""

import os
import signal
from contextlib import contextmanager

import pytest

from symloss.errors import SymlossError

DEEP = 100_000

PATIENCE = 10.0
"""Seconds that an answer may take; it takes less than two where nothing else runs."""

LOOK_ALIKE = "\u0430"
"""A Cyrillic letter that looks like an a."""


def refused(call, *words):
    """What a SymlossError says when `call` meets something hostile; each of `words` must be in it."""
    with pytest.raises(SymlossError) as caught, at_most(PATIENCE):
        call()
    message = str(caught.value)
    assert len(message) < 3000
    assert "Traceback" not in message
    for word in words:
        assert word in message
    return message


@contextmanager
def at_most(seconds):
    """Fail, rather than wait, if the block takes longer."""

    def late(number, frame):
        raise TimeoutError(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sparse(path, size, begin=b""):
    """A file of that many bytes that takes no space on the disk."""
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(size)
    return path


def not_a_file(path, what):
    """Put something at `path` that no reader should wait for, or read to its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.unlink()
    {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "circle": lambda: path.symlink_to(path),
    }[what]()
    return path


NOT_FILES = ["pipe", "folder", "device", "circle"]
