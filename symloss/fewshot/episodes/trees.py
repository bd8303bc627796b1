"""Classes of images in folders and NPZ files: `train`, `valid` and `test`, each with its classes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from symloss.errors import TaskError
from symloss.fewshot.episodes.classes import Images
from symloss.fewshot.episodes.episode import SPLITS
from symloss.fewshot.episodes.pictures import SUFFIXES, Look, Memory, Pictures
from symloss.reading.arrays import read_arrays

ClassFiles = dict[str, list[Path]]
"""The image files of each class, by the name of its folder."""

Splits = Mapping[str, Mapping[str, Images]]
"""split -> class -> images."""

SYNONYMS = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}


def class_files(folder: Path, depth: int = 1) -> ClassFiles:
    """Folders at that depth below `folder` that have image files, and the files; both sorted by name.

    What begins with a dot is left out: systems put their own files beside a user's.
    """
    found: ClassFiles = {}
    for place in sorted(path for path in folder.glob("/".join("*" * depth)) if os.path.isdir(path)):
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES and _plain(path))
        if files and _plain(place):
            found[place.relative_to(folder).as_posix()] = files
    return found


def _plain(path: Path) -> bool:
    return not path.name.startswith(".")


def split_folders(folder: Path, strict: bool = True) -> dict[str, Path] | None:
    """The sub-folders of the three splits, or None.

    Raises: TaskError if `strict` and it has some of them only.
    """
    found = {split: _first(folder, names, "") for split, names in SYNONYMS.items()}
    return _all_or_none(folder, found, "folders", strict)


def split_archives(folder: Path, strict: bool = True) -> dict[str, Path] | None:
    """The NPZ files of the three splits; see `split_folders`."""
    found = {split: _first(folder, names, ".npz") for split, names in SYNONYMS.items()}
    return _all_or_none(folder, found, "NPZ files", strict)


def _first(folder: Path, names: Iterable[str], suffix: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for name in names)
    return next((path for path in paths if (os.path.isfile(path) if suffix else os.path.isdir(path))), None)


def _all_or_none(
    folder: Path, found: Mapping[str, Path | None], what: str, strict: bool
) -> dict[str, Path] | None:
    there = {split: path for split, path in found.items() if path is not None}
    missing = ", ".join(split for split in SPLITS if split not in there)
    if there and missing and strict:
        raise TaskError(
            f"{folder} has {what} for {', '.join(there)} but none for {missing}; add what is missing, or put "
            "all classes side by side in one folder"
        )
    return None if missing else there


def pictures_of(splits: Mapping[str, ClassFiles], look: Look) -> Splits:
    """The images of all classes in files; what is decoded is kept for all of them together."""
    memory = Memory()
    return {
        split: {name: Pictures(files, look, memory) for name, files in classes.items()}
        for split, classes in splits.items()
    }


def read_archive(path: Path) -> dict[str, Images]:
    """The classes of an NPZ file: bytes `x` (n, height, width) or (n, height, width, 3), and ids `y` (n,).

    Raises: TaskError if it is no such file. Nothing in it is unpickled.
    """
    found = read_arrays(path, TaskError, "expected plain arrays x and y", ("x", "y"))
    missing = [name for name in ("x", "y") if name not in found]
    if missing:
        raise TaskError(f"{path} has no array '{missing[0]}', expected x and y; rename what it has")
    x, y = found["x"], found["y"]
    images = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    if x.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise TaskError(
            f"{path}: x is {x.dtype} of shape {x.shape}, expected uint8 of shape (n, height, width) or "
            "(n, height, width, 3)"
        )
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise TaskError(f"{path}: y is {y.dtype} of shape {y.shape}, expected class ids of shape ({len(x)},)")
    return {f"{path.stem}/{label}": images[y == label] for label in np.unique(y)}
