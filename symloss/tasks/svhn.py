"""Street view house numbers in the published MATLAB files of cropped digits.

A file has X (32, 32, 3, n) bytes and y (n, 1) with labels 1 to 10, where 10 is the digit 0. SciPy's reader
makes arrays of what it finds and executes nothing: functions in a file stay bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.tasks.folders import located

FILES = ("train_32x32.mat", "test_32x32.mat")

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
    return folder if all((folder / file).is_file() for file in FILES) else None


def read_digits(path: Path) -> Digits:
    """Images and labels of one file. Raises TaskError naming the file and what is wrong with it."""
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # the reader fails in many ways on a damaged file
        raise TaskError(
            f"{path} cannot be read: {type(error).__name__}: {error}; get the file again"
        ) from error
    images, labels = found.get("X"), found.get("y")
    if not _fit(images, labels):
        shapes = ", ".join(f"{name} {_shown(value)}" for name, value in (("X", images), ("y", labels)))
        raise TaskError(
            f"{path} has {shapes}, expected X of bytes with shape (32, 32, 3, n) and y with n labels "
            "1 to 10; get the file again"
        )
    y = np.asarray(labels).reshape(-1).astype(np.int64) % 10
    return np.ascontiguousarray(np.asarray(images).transpose(3, 2, 0, 1)), y


def _fit(images: Any, labels: Any) -> bool:
    arrays = isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)
    if not arrays or images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        return False
    numbers = labels.dtype.kind in "iuf" and labels.size == images.shape[3] > 0
    return bool(numbers and labels.min() >= 1 and labels.max() <= 10)


def _shown(value: Any) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else "nothing"
