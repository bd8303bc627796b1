"""IDX files, the format of MNIST: found on disk, read, checked, and never downloaded.

A file is: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension
as a big-endian 32-bit integer, then the values. See the MNIST page of LeCun, Cortes and Burges.
"""

from __future__ import annotations

import functools
import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.tasks.folders import located

Bytes = NDArray[np.uint8]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Names of the four files of a data set; each may be compressed and end in .gz."""

TORCHVISION = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"}
"""Where torchvision puts them, which `symloss data get` uses."""

MAX_VALUES = 2**28
"""Largest file that is read, in values; a damaged header may announce any number of them."""


def load_idx(name: str, data_dir: str | Path | None = None) -> tuple[tuple[Bytes, ...], Path]:
    """Training images (n, h, w) and labels (n,), test images and labels, and the folder they are in.

    The first of `folders.folders` that has all four files is taken.
    Raises: TaskError if there is none, a file is damaged, or images and labels do not match.
    """
    hint = "; Debian's package dataset-fashion-mnist provides it" if name == "fashion-mnist" else ""
    files = f"the files {', '.join(FILES)}, each plain or .gz"
    paths, folder = located(name, data_dir, functools.partial(find_idx, name), files, hint)
    arrays = tuple(read_idx(path, 3 - 2 * (i % 2)) for i, path in enumerate(paths))
    for images, labels, path in zip(arrays[::2], arrays[1::2], paths[::2], strict=True):
        if len(images) != len(labels):
            raise TaskError(f"{path} has {len(images)} images for {len(labels)} labels; get both files again")
    return arrays, folder


def find_idx(name: str, folder: Path) -> list[Path] | None:
    """The four files, if they are in the folder or where torchvision puts them there."""
    for place in (folder, folder / TORCHVISION.get(name, "")):
        paths = [path for file in FILES if (path := _existing(place, file))]
        if len(paths) == len(FILES):
            return paths
    return None


def _existing(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_idx(path: Path, dimensions: int) -> Bytes:
    """The unsigned bytes of an IDX file, plain or gzip, with that many dimensions.

    Raises: TaskError naming the file and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            return _read(gzip.open(file) if path.suffix == ".gz" else file, path, dimensions)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{path} cannot be read: {error}; get the file again") from error


class _Readable(Protocol):
    """A plain or a compressed file."""

    def read(self, size: int, /) -> bytes: ...


def _read(file: _Readable, path: Path, dimensions: int) -> Bytes:
    magic = file.read(4)
    expected = bytes((0, 0, 8, dimensions))
    if magic != expected:
        raise TaskError(
            f"{path} starts with {magic.hex() or 'nothing'}, expected {expected.hex()} for unsigned bytes "
            f"in {dimensions} dimensions; is it an IDX file?"
        )
    header = file.read(4 * dimensions)
    if len(header) < 4 * dimensions:
        raise TaskError(f"{path} ends within its header; get the file again")
    shape = struct.unpack(f">{dimensions}I", header)
    size = math.prod(shape)
    if not 0 < size <= MAX_VALUES:
        raise TaskError(
            f"{path} announces shape {shape}, expected 1 to {MAX_VALUES} values; get the file again"
        )
    content = file.read(size + 1)  # one more than announced, to see whether the file ends there
    if len(content) != size:
        found = "more" if len(content) > size else f"only {len(content)}"
        raise TaskError(f"{path} announces {size} values and has {found}; get the file again")
    return np.frombuffer(content, np.uint8).reshape(shape)
