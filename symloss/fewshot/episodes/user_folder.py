"""A user's own few-shot data in a folder of class/image files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from symloss.errors import TaskError
from symloss.fewshot.episodes.assembling import IMAGENET, Normalise, assembled
from symloss.fewshot.episodes.episode import SPLITS, FewShotTask
from symloss.fewshot.episodes.pictures import SUFFIXES, Look, image_form
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.spec import check_options, parse_spec
from symloss.fewshot.episodes.trees import (
    ClassFiles,
    Splits,
    class_files,
    pictures_of,
    read_archive,
    split_archives,
    split_folders,
)
from symloss.reading.files import expanded
from symloss.tasks.splitting import generator

PREFIX = "folder:"

SHARES = (0.64, 0.16, 0.20)
"""Of classes to train, validate and test where a folder does not say; those of mini-ImageNet."""


def from_folder(plan: Plan) -> FewShotTask:
    """`folder:PATH`, with the options `size` (pixels each way) and `split` (seed of the split of classes).

    PATH has a folder for each class; or folders, or NPZ files, train, valid and test. Which classes are for
    testing does not depend on the seed of episodes: another seed must not test what was trained on.
    Raises: TaskError in one sentence.
    """
    path, options = parse_spec(plan.name.removeprefix(PREFIX))
    check_options(plan.label, options, ("size", "split"))
    size = _whole(plan, "size", options["size"]) if "size" in options else None
    folder = expanded(path, TaskError)
    if not path or not os.path.isdir(folder):
        raise TaskError(f"{plan.label}: there is no folder {folder}; write {PREFIX}PATH, a folder of classes")
    archives = split_archives(folder)
    if archives is not None:
        arrays = {split: read_archive(place) for split, place in archives.items()}
        return assembled(plan, arrays, _finish(_channels(arrays)), (f"read from {folder}",))
    files = _files(plan, folder, _whole(plan, "split", options.get("split", "0")))
    channels = _checked_form(plan, files, size)
    splits = pictures_of(files, Look(channels, size))
    return assembled(plan, splits, _finish(channels), (f"read from {folder}",))


def _channels(splits: Splits) -> int:
    images = next(iter(splits["train"].values()))
    return int(images[np.zeros(1, np.int64)].shape[1])


def _finish(channels: int) -> Normalise | None:
    """Colours are normalised as usual, grey is left between 0 and 1."""
    return Normalise(*IMAGENET) if channels == 3 else None


def _whole(plan: Plan, name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or (name == "size" and int(text) < 1):
        raise TaskError(f"{plan.label}: {name} is '{text}', expected a whole number")
    return int(text)


def _files(plan: Plan, folder: Path, seed: int) -> dict[str, ClassFiles]:
    places = split_folders(folder)
    if places is not None:
        found = {split: class_files(place) for split, place in places.items()}
    else:
        found = _shared_out(class_files(folder), seed)
    empty = [split for split in SPLITS if not found[split]]
    if empty:
        where = places[empty[0]] if places else folder
        raise TaskError(
            f"{plan.label}: {where} has too few classes for {', '.join(empty)}, expected folders of images "
            f"({', '.join(sorted(SUFFIXES))}), one for each class"
        )
    return found


def _shared_out(classes: ClassFiles, seed: int) -> dict[str, ClassFiles]:
    """Classes in the shares of `SHARES`, rounded, with at least one in each if there are three."""
    names = generator(seed, "few-shot classes").permutation(sorted(classes)).tolist()
    test = max(1, round(SHARES[2] * len(names)))
    valid = max(1, round(SHARES[1] * len(names)))
    parts = {"test": names[:test], "valid": names[test : test + valid], "train": names[test + valid :]}
    return {split: {name: classes[name] for name in sorted(parts[split])} for split in SPLITS}


def _checked_form(plan: Plan, files: dict[str, ClassFiles], size: int | None) -> int:
    """The channels of the images: 3 if any has colours. Raises TaskError if sizes differ, but for `size`."""
    paths = [path for classes in files.values() for found in classes.values() for path in found]
    forms = [image_form(path) for path in paths]
    for path, form in zip(paths, forms, strict=True):
        if size is None and form[1:] != forms[0][1:]:
            raise TaskError(
                f"{plan.label}: {path} has {form[2]}x{form[1]} pixels, {paths[0]} has "
                f"{forms[0][2]}x{forms[0][1]}; make them alike by ?size=PIXELS behind the folder"
            )
    return max(form[0] for form in forms)
