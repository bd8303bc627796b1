"""The binary version of CIFAR-10 and CIFAR-100: found on disk, read, checked, and never downloaded.

A file is a row of records: one byte of label (CIFAR-100: one of the superclass, one of the class), then
3072 bytes of a picture, 32x32 pixels in rows, first all red ones, then green, then blue.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.tasks.folders import folders, located

PIXELS = 3 * 32 * 32

MAX_BYTES = 2**28
"""Largest file that is read; those published have 30 to 154 million bytes."""


@dataclass(frozen=True)
class Version:
    """inner:   folder in the published archive. train, test: files in it.
    labels:  number of classes of each byte of label, the last one being that of the task.
    pickled: folder and file of the version for Python, which is not read.
    """

    inner: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: tuple[int, ...]
    pickled: tuple[str, str]


VERSIONS = {
    "cifar10": Version(
        "cifar-10-batches-bin",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        ("test_batch.bin",),
        (10,),
        ("cifar-10-batches-py", "data_batch_1"),
    ),
    "cifar100": Version(
        "cifar-100-binary", ("train.bin",), ("test.bin",), (20, 100), ("cifar-100-python", "train")
    ),
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """images (n, 3, 32, 32) bytes; labels (n,); coarse (n,), the superclasses of CIFAR-100, or None."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    coarse: NDArray[np.int64] | None


def load_cifar(name: str, data_dir: str | Path | None = None) -> tuple[Pictures, Pictures, Path]:
    """Training and test pictures of "cifar10" or "cifar100", and the folder they are in.

    Raises: TaskError if there are no such files, only pickled ones, or damaged ones.
    """
    version = VERSIONS[name]
    files = (*version.train, *version.test)
    sought = f"the files {', '.join(files)} of its binary version"
    find = functools.partial(find_cifar, name)
    place, _ = located(name, data_dir, find, sought, _refusal(name, data_dir))
    train, test = (
        _joined([read_pictures(place / file, version.labels) for file in part])
        for part in (version.train, version.test)
    )
    return train, test, place


def find_cifar(name: str, folder: Path) -> Path | None:
    """Where the files are, if they are in the folder or in that of the published archive there."""
    version = VERSIONS[name]
    files = (*version.train, *version.test)
    places = (folder, folder / version.inner)
    return next((place for place in places if all(os.path.isfile(place / file) for file in files)), None)


def _refusal(name: str, data_dir: str | Path | None) -> str:
    """What to say about pickled files, if there are any."""
    inner, file = VERSIONS[name].pickled
    for folder in folders(name, data_dir):
        for place in (folder, folder / inner):
            if os.path.isfile(place / file):
                return (
                    f"; {place} has the version for Python, which is pickled and not read since that could "
                    f"execute anything: get the binary version ({VERSIONS[name].inner})"
                )
    return ""


def read_pictures(path: Path, classes: tuple[int, ...]) -> Pictures:
    """The records of one file; `classes` has the number of classes of each byte of label.

    Raises: TaskError naming the file and what is wrong with it.
    """
    record = len(classes) + PIXELS
    try:
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES or size % record:
            raise TaskError(
                f"{path} has {size} bytes, expected a multiple of {record}, the bytes of a picture; "
                "get the file again"
            )
        content = np.fromfile(path, np.uint8).reshape(-1, record)
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error}; get the file again") from error
    for position, count in enumerate(classes):
        largest = int(content[:, position].max())
        if largest >= count:
            raise TaskError(f"{path} has the label {largest}, expected 0 to {count - 1}; is it a CIFAR file?")
    labels = content[:, : len(classes)].astype(np.int64)
    images = content[:, len(classes) :].reshape(-1, 3, 32, 32)
    return Pictures(images, labels[:, -1], labels[:, 0] if len(classes) > 1 else None)


def _joined(parts: list[Pictures]) -> Pictures:
    coarse = [part.coarse for part in parts if part.coarse is not None]
    return Pictures(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(coarse) if coarse else None,
    )
