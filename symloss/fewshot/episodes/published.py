"""Published few-shot data in files on disk. Nothing is downloaded, and nothing pickled is read."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from symloss.errors import TaskError
from symloss.fewshot.episodes.assembling import CIFAR100, IMAGENET, Normalise, assembled, turned
from symloss.fewshot.episodes.classes import Images
from symloss.fewshot.episodes.episode import SPLITS, FewShotTask
from symloss.fewshot.episodes.pictures import Look
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.spec import check_options, flag
from symloss.fewshot.episodes.trees import (
    ClassFiles,
    Splits,
    class_files,
    pictures_of,
    read_archive,
    split_archives,
    split_folders,
)
from symloss.reading.files import read_text
from symloss.tasks.cifar import load_cifar
from symloss.tasks.folders import folders

Find = Callable[[Path], dict[str, ClassFiles] | None]

THREE_FOLDERS = "folders train, val and test of class/image files, or train.npz, val.npz and test.npz"

MAX_LIST = 2**24
"""Largest list of files or classes that is read, in bytes; those published have up to two million."""

FC100 = {
    "train": (1, 2, 3, 4, 5, 6, 9, 10, 15, 17, 18, 19),
    "valid": (8, 11, 13, 16),
    "test": (0, 7, 12, 14),
}
"""The superclasses of CIFAR-100 in each split (Oreshkin, Rodriguez and Lacoste, arXiv 1805.10123)."""


def omniglot(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Lake, Salakhutdinov and Tenenbaum, Human-level concept learning (2015): 50 alphabets by 20 people.

    Every sixth alphabet of the background set validates; the evaluation set is the test. With the option
    `rotations=yes` each class of an episode is turned by a random number of right angles.
    """
    check_options(plan.label, options, ("rotations",))
    finish = turned if flag(plan.label, options, "rotations") else None
    sought = "the folders images_background and images_evaluation"
    files, folder = _located(plan, "omniglot", _omniglot, sought)
    splits = pictures_of(files, Look(1, 28, invert=True))
    return assembled(plan, splits, finish, (f"read from {folder}",))


def _omniglot(folder: Path) -> dict[str, ClassFiles] | None:
    for place in (folder, folder / "omniglot-py", folder / "python"):
        background, evaluation = (_inner(place / f"images_{part}") for part in ("background", "evaluation"))
        if os.path.isdir(background) and os.path.isdir(evaluation):
            classes = class_files(background, depth=2)
            alphabets = sorted({name.partition("/")[0] for name in classes})
            valid = set(alphabets[5::6])
            parts: dict[str, ClassFiles] = {"train": {}, "valid": {}}
            for name, files in classes.items():
                parts["valid" if name.partition("/")[0] in valid else "train"][name] = files
            return {**parts, "test": class_files(evaluation, depth=2)}
    return None


def _inner(folder: Path) -> Path:
    """The folder of the same name inside, where unpacking has made one."""
    return folder / folder.name if os.path.isdir(folder / folder.name) else folder


def mini_imagenet(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Vinyals et al. (arXiv 1606.04080), as split by Ravi and Larochelle (2017); 84x84 pixels."""
    sought = f"a folder images with train.csv, val.csv and test.csv, or {THREE_FOLDERS}"
    return _photographs(plan, options, "mini-imagenet", _mini_imagenet, sought, 84, IMAGENET)


def _mini_imagenet(folder: Path) -> dict[str, ClassFiles] | None:
    tables = {split: folder / f"{'val' if split == 'valid' else split}.csv" for split in SPLITS}
    if not os.path.isdir(folder / "images") or not all(os.path.isfile(path) for path in tables.values()):
        return None
    return {split: _listed(path, folder / "images") for split, path in tables.items()}


def _listed(table: Path, images: Path) -> ClassFiles:
    """The files of each class in a table with the columns filename and label."""
    found: ClassFiles = {}
    text = read_text(table, "the table", TaskError, MAX_LIST)
    try:
        for row in csv.DictReader(text.splitlines()):
            found.setdefault(row["label"], []).append(images / Path(row["filename"]).name)
    except (KeyError, TypeError, csv.Error) as error:
        raise TaskError(
            f"{table} cannot be read, expected the columns filename and label: {error}"
        ) from error
    return dict(sorted(found.items()))


def tiered_imagenet(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Ren et al. (arXiv 1803.00676); 84x84 pixels."""
    return _photographs(plan, options, "tiered-imagenet", lambda _: None, THREE_FOLDERS, 84, IMAGENET)


def cifar_fs(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Bertinetto, Henriques, Torr and Vedaldi (arXiv 1805.08136); 32x32 pixels."""
    sought = f"folders data and splits/bertinetto, or {THREE_FOLDERS}"
    return _photographs(plan, options, "cifar-fs", _cifar_fs, sought, 32, CIFAR100)


def _cifar_fs(folder: Path) -> dict[str, ClassFiles] | None:
    for place in (folder, folder / "cifar100"):
        lists = place / "splits" / "bertinetto"
        names = {split: lists / f"{'val' if split == 'valid' else split}.txt" for split in SPLITS}
        if os.path.isdir(place / "data") and all(os.path.isfile(path) for path in names.values()):
            classes = class_files(place / "data")
            return {split: _picked(path, classes) for split, path in names.items()}
    return None


def _picked(path: Path, classes: ClassFiles) -> ClassFiles:
    names = read_text(path, "the list of classes", TaskError, MAX_LIST).split()
    missing = [name for name in names if name not in classes]
    if missing:
        raise TaskError(
            f"{path} names the class '{missing[0]}', of which there are no images; get both again"
        )
    return {name: classes[name] for name in sorted(names)}


def cub(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Caltech-UCSD Birds 200-2011 (Wah et al., 2011), split as Chen et al. do (arXiv 1904.04232); 84x84."""
    sought = f"a folder images with 200 folders of birds, or {THREE_FOLDERS}"
    return _photographs(plan, options, "cub", _cub, sought, 84, IMAGENET)


def _cub(folder: Path) -> dict[str, ClassFiles] | None:
    for place in (folder, folder / "CUB_200_2011"):
        classes = class_files(place / "images") if os.path.isdir(place / "images") else {}
        if classes:
            names = sorted(classes)  # every second trains; of the others each second validates, or tests
            parts = {"train": names[::2], "valid": names[1::4], "test": names[3::4]}
            return {split: {name: classes[name] for name in part} for split, part in parts.items()}
    return None


def fc100(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Oreshkin et al. (arXiv 1805.10123): CIFAR-100 split by superclass; 32x32 pixels."""
    check_options(plan.label, options, ())
    found = _plain(plan, "fc100", 32)
    if found is not None:
        return assembled(plan, found[0], Normalise(*CIFAR100), (f"read from {found[1]}",))
    try:
        train, test, folder = load_cifar("cifar100", plan.data)
    except TaskError as error:
        raise TaskError(f"{plan.label} is made of CIFAR-100, or {THREE_FOLDERS}: {error}") from error
    images, labels = np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])
    assert train.coarse is not None
    above = dict(zip(train.labels.tolist(), train.coarse.tolist(), strict=True))
    splits: dict[str, dict[str, Images]] = {
        split: {str(c): images[labels == c] for c in sorted(above) if above[c] in superclasses}
        for split, superclasses in FC100.items()
    }
    return assembled(plan, splits, Normalise(*CIFAR100), (f"made of CIFAR-100 in {folder}",))


def _photographs(
    plan: Plan,
    options: Mapping[str, str],
    name: str,
    find: Find,
    sought: str,
    size: int,
    scale: tuple[tuple[float, ...], tuple[float, ...]],
) -> FewShotTask:
    check_options(plan.label, options, ())
    found = _plain(plan, name, size)
    if found is None:
        files, folder = _located(plan, name, find, sought)
        found = pictures_of(files, Look(3, size)), folder
    return assembled(plan, found[0], Normalise(*scale), (f"read from {found[1]}",))


def _plain(plan: Plan, name: str, size: int) -> tuple[Splits, Path] | None:
    """The three splits as folders or NPZ files, and where they are."""
    for folder in folders(name, plan.data):
        archives = split_archives(folder, strict=False)
        if archives is not None:
            return {split: read_archive(path) for split, path in archives.items()}, folder
        places = split_folders(folder, strict=False)
        if places is not None:
            files = {split: class_files(place) for split, place in places.items()}
            return pictures_of(files, Look(3, size)), folder
    return None


def _located(plan: Plan, name: str, find: Find, sought: str) -> tuple[dict[str, ClassFiles], Path]:
    searched = folders(name, plan.data)
    for folder in searched:
        found = find(folder)
        if found is not None:
            return found, folder
    raise TaskError(
        f"no folder has the {plan.label}, searched {', '.join(map(str, searched))} for {sought}"
        f"{_refusal(searched)}; name its folder by data (--data)"
    )


def _refusal(searched: list[Path]) -> str:
    """What to say about pickled files, if there are any."""
    for folder in searched:
        for pattern in ("*.pkl", "*.pickle", "*.pkl.gz", "*_pickle"):
            for path in sorted(folder.glob(pattern)):
                return (
                    f"; {path} is pickled, and not read since that could execute anything: write its images "
                    f"to {THREE_FOLDERS} with a program that you trust (docs/fewshot-data.md)"
                )
    return ""
