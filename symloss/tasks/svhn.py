"""Street view house numbers in the published MATLAB files of cropped digits.

A file has X (32, 32, 3, n) bytes and y (n, 1) with labels 1 to 10, where 10 is the digit 0. SciPy's reader
makes arrays of what it finds and executes nothing: functions in a file stay bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.reading.files import check_ordinary, reason_of, shown_size
from symloss.tasks.folders import located

FILES = ("train_32x32.mat", "test_32x32.mat")

HEADER, COMPRESSED = 128, 15
"""Bytes before the first part of a file; the kind of part that is compressed."""

MAX_BYTES = ROOM = 2**29
"""Largest file that is read, and what it may become. The training images have 225 million bytes."""

MAX_PARTS = 100
"""Most parts of a file; those published have two."""

Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


def load_svhn(data_dir: str | Path | None = None) -> tuple[Digits, Digits, Path]:
    """Training and test digits, each images (n, 3, 32, 32) and labels (n,), and the folder they are in.

    Raises: TaskError if there are no such files, or damaged ones.
    """
    folder, _ = located("svhn", data_dir, find_svhn, f"the files {' and '.join(FILES)}")
    train, test = (read_digits(folder / file) for file in FILES)
    return train, test, folder


def find_svhn(folder: Path) -> Path | None:
    """The folder, if it has the files."""
    return folder if all(os.path.isfile(folder / file) for file in FILES) else None


def read_digits(path: Path) -> Digits:
    """Images and labels of one file. Raises TaskError naming the file and what is wrong with it."""
    from scipy.io import loadmat, whosmat

    check_ordinary(path, "the file", MAX_BYTES, TaskError)
    try:
        _check_elements(path)
        found = {}
        if _promised(whosmat(path)):
            found = loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # the reader fails in many ways on a damaged file
        raise TaskError(f"{path} cannot be read: {reason_of(error)}; get the file again") from error
    images, labels = found.get("X"), found.get("y")
    if not _fit(images, labels):
        shapes = ", ".join(f"{name} {_shown(value)}" for name, value in (("X", images), ("y", labels)))
        raise TaskError(
            f"{path} has {shapes}, expected X of bytes with shape (32, 32, 3, n) and y with n labels "
            "1 to 10; get the file again"
        )
    y = np.asarray(labels).reshape(-1).astype(np.int64) % 10
    return np.ascontiguousarray(np.asarray(images).transpose(3, 2, 0, 1)), y


def _check_elements(path: Path) -> None:
    """Raise ValueError unless a MATLAB file of version 5 has few parts, not too large when unpacked."""
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(HEADER)[-2:])
        if order is None:
            raise ValueError("it is no MATLAB file of version 5")
        room = ROOM
        for _ in range(MAX_PARTS):
            tag = file.read(8)
            if len(tag) < 8:
                return
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != COMPRESSED:
                file.seek(size, os.SEEK_CUR)
            elif (room := room - _unpacked(file, size, room)) < 0:
                raise ValueError(f"it would become more than {shown_size(ROOM)}")
    raise ValueError(f"it has more than {MAX_PARTS} parts")


def _unpacked(file: IO[bytes], size: int, room: int) -> int:
    """Bytes that the next `size` bytes become, or a little more than `room`. None of them is kept."""
    unpack, count = zlib.decompressobj(), 0
    while size > 0 and count <= room:
        packed = file.read(min(size, 2**16))
        if not packed:
            break
        size -= len(packed)
        while packed and count <= room:
            count += len(unpack.decompress(packed, 2**20))
            packed = unpack.unconsumed_tail
    return count


def _promised(variables: list[tuple[str, tuple[int, ...], str]]) -> bool:
    """Whether X and y are there once, as arrays of numbers: anything else may hold others, ever deeper."""
    kinds = [(name, kind) for name, _, kind in variables if name in ("X", "y")]
    return sorted(name for name, _ in kinds) == ["X", "y"] and all(kind in NUMBERS for _, kind in kinds)


NUMBERS = (*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "single", "double")


def _fit(images: Any, labels: Any) -> bool:
    arrays = isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)
    if not arrays or images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        return False
    numbers = labels.dtype.kind in "iuf" and labels.size == images.shape[3] > 0
    return bool(numbers and labels.min() >= 1 and labels.max() <= 10)


def _shown(value: Any) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else "nothing"
