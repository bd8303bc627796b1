"""One process at a time: whoever works in a folder holds it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symloss.archive.files import NO_LINK
from symloss.errors import RunError

LOCK = ".held"


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if it is not there. Raises RunError if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write the folder '{folder}': {error.strerror or error}") from error


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for the time of the block. Raises RunError if another process holds it.

    The system lets go of it when the process ends, however it ends.
    """
    path = folder / LOCK
    try:
        descriptor = _locked(path)
    except BlockingIOError:
        raise RunError(f"another process is at work in '{folder}'; wait for it, or stop it first") from None
    except OSError as error:
        raise RunError(f"cannot write into the folder '{folder}': {error.strerror or error}") from error
    try:
        yield
    finally:
        _unlocked(path, descriptor)


if sys.platform == "win32":
    import msvcrt

    def _locked(path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o644)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.close(descriptor)
            raise BlockingIOError from None
        return descriptor

    def _unlocked(path: Path, descriptor: int) -> None:
        os.close(descriptor)

else:
    import fcntl

    def _locked(path: Path) -> int:
        """An open descriptor with a lock of this process, which forked workers do not inherit."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o644)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_there(path, descriptor):
                    return descriptor
            except PermissionError:
                os.close(descriptor)
                raise BlockingIOError from None  # some systems say so
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_there(path: Path, descriptor: int) -> bool:
        """Whether the file that was locked still has its name: its last holder may just have removed it."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _unlocked(path: Path, descriptor: int) -> None:
        path.unlink(missing_ok=True)
        os.close(descriptor)
