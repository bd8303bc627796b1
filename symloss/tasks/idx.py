"""IDX files, the format of MNIST: found on disk, read, checked, and never downloaded.

A file is: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension
as a big-endian 32-bit integer, then the values. See the MNIST page of LeCun, Cortes and Burges.
"""

from __future__ import annotations

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

Bytes = NDArray[np.uint8]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Names of the four files of a data set; each may be compressed and end in .gz."""

MAX_VALUES = 2**28
"""Largest file that is read, in values; a damaged header may announce any number of them."""


def load_idx(name: str, data_dir: str | Path | None = None) -> tuple[tuple[Bytes, ...], Path]:
    """Training images (n, h, w) and labels (n,), test images and labels, and the folder they are in.

    The first of `folders` that has all four files is taken.
    Raises: TaskError if there is none, a file is damaged, or images and labels do not match.
    """
    searched = folders(name, data_dir)
    for folder in searched:
        paths = [_existing(folder, file) for file in FILES]
        if all(paths):
            break
    else:
        hint = "; Debian's package dataset-fashion-mnist provides it" if name == "fashion-mnist" else ""
        raise TaskError(
            f"no folder has the data set '{name}', searched {', '.join(map(str, searched))} for the files "
            f"{', '.join(FILES)}, each plain or .gz{hint}; put them there or name their folder by data_dir"
        )
    arrays = tuple(read_idx(path, 3 - 2 * (i % 2)) for i, path in enumerate(paths) if path)
    for images, labels, path in zip(arrays[::2], arrays[1::2], paths[::2], strict=True):
        if len(images) != len(labels):
            raise TaskError(f"{path} has {len(images)} images for {len(labels)} labels; get both files again")
    return arrays, folder


def folders(name: str, data_dir: str | Path | None = None) -> list[Path]:
    """Folders that may have a data set, the first one first."""
    found = [Path(data_dir).expanduser()] if data_dir is not None else []
    if os.environ.get("SYMLOSS_DATA"):
        found.append(Path(os.environ["SYMLOSS_DATA"]).expanduser() / name)
    return [*found, Path("~/.cache/symloss").expanduser() / name, Path("/usr/share/datasets") / name]


def _existing(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


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
