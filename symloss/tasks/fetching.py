"""Data sets fetched over the network, when a user asks for it and at no other time.

Downloading, checking and unpacking is left to torchvision and scikit-learn. What they fetch is put where
tasks look for it; see `folders`.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError, did_you_mean
from symloss.tasks.cifar import find_cifar
from symloss.tasks.folders import folders, store
from symloss.tasks.idx import find_idx
from symloss.tasks.names import TASKS
from symloss.tasks.svhn import find_svhn

COMMUNITIES_ID = 42730
"""OpenML's number of communities-and-crime, there called us_crime."""


@dataclass(frozen=True)
class Source:
    """find: what of the data set is in a folder, or None. fetch: puts it into a folder."""

    find: Callable[[Path], object | None]
    fetch: Callable[[Path], None]


def fetch(name: str, data_dir: str | Path | None = None) -> tuple[Path, bool]:
    """Fetch a data set into `folders.store`: its folder, and False if it was there already.

    Raises: TaskError if there is nothing to fetch by that name, what fetches it is not installed, or it
    fails; half a data set is then left where it is, and not taken for one.
    """
    if name not in SOURCES:
        known = name in TASKS
        hint = "it comes with symloss" if known else did_you_mean(name, SOURCES)
        raise TaskError(f"there is {'no need to fetch' if known else 'no data set'} '{name}': {hint}")
    source, folder = SOURCES[name], store(name, data_dir)
    if source.find(folder) is not None:
        return folder, False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        source.fetch(folder)
    except TaskError:
        raise
    except Exception as error:  # networks, servers and disks fail in many ways
        raise TaskError(
            f"'{name}' could not be fetched into {folder}: {type(error).__name__}: {error}; try again later, "
            "or put its files there yourself"
        ) from error
    if source.find(folder) is None:
        raise TaskError(f"'{name}' was fetched, but {folder} does not hold its files; is the disk full?")
    return folder, True


def found(name: str, data_dir: str | Path | None = None) -> Path | None:
    """The folder where a task finds its data set; None if it has to be fetched."""
    return next((f for f in folders(name, data_dir) if SOURCES[name].find(f) is not None), None)


def find_table(name: str, folder: Path) -> Path | None:
    """The file of a published table, if the folder has it."""
    path = folder / f"{name}.npz"
    return path if os.path.isfile(path) else None


def _torchvision() -> Any:
    try:
        import torchvision.datasets
    except ImportError:
        raise TaskError(
            "images are fetched by torchvision, which is not installed; pip install 'symloss[data]', or put "
            "the published files where tasks look for them (docs/tasks.md)"
        ) from None
    return torchvision.datasets


def _mnist(folder: Path) -> None:
    _torchvision().MNIST(str(folder), download=True)


def _fashion_mnist(folder: Path) -> None:
    _torchvision().FashionMNIST(str(folder), download=True)


def _svhn(folder: Path) -> None:
    for split in ("train", "test"):
        _torchvision().SVHN(str(folder), split=split, download=True)


def _cifar(file: str, digest: str, folder: Path) -> None:
    """The binary version, which torchvision's own class does not read: it would unpickle the other one."""
    _torchvision().utils.download_and_extract_archive(
        f"https://www.cs.toronto.edu/~kriz/{file}", str(folder), md5=digest, remove_finished=True
    )


def _california_housing(folder: Path) -> None:
    from sklearn.datasets import fetch_california_housing

    # A cache of its own: scikit-learn's would be unpickled when it is there already.
    with tempfile.TemporaryDirectory() as cache:
        data = fetch_california_housing(data_home=cache)
    columns = dict(zip(data.feature_names, np.asarray(data.data).T, strict=True))
    _write(folder, "california-housing", columns | {"MedHouseVal": np.asarray(data.target)})


def _communities_and_crime(folder: Path) -> None:
    from sklearn.datasets import fetch_openml

    with tempfile.TemporaryDirectory() as cache:
        # liac-arff, since the other parser needs pandas.
        data = fetch_openml(data_id=COMMUNITIES_ID, data_home=cache, as_frame=False, parser="liac-arff")
    columns = dict(zip(data.feature_names, np.asarray(data.data).T, strict=True))
    target = np.asarray(data.target, np.float64)
    _write(folder, "communities-and-crime", columns | {"ViolentCrimesPerPop": target})


def _write(folder: Path, name: str, columns: dict[str, NDArray[Any]]) -> None:
    """Columns as NPZ, in one step."""
    partial = folder / f"{name}.partial.npz"
    plain: dict[str, Any] = {key: column.astype(np.float64) for key, column in columns.items()}
    np.savez_compressed(partial, **plain)
    os.replace(partial, folder / f"{name}.npz")


# The digests of CIFAR are those of its page, https://www.cs.toronto.edu/~kriz/cifar.html.
SOURCES: dict[str, Source] = {
    "mnist": Source(functools.partial(find_idx, "mnist"), _mnist),
    "fashion-mnist": Source(functools.partial(find_idx, "fashion-mnist"), _fashion_mnist),
    "cifar10": Source(
        functools.partial(find_cifar, "cifar10"),
        functools.partial(_cifar, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    "cifar100": Source(
        functools.partial(find_cifar, "cifar100"),
        functools.partial(_cifar, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    ),
    "svhn": Source(find_svhn, _svhn),
    "california-housing": Source(functools.partial(find_table, "california-housing"), _california_housing),
    "communities-and-crime": Source(
        functools.partial(find_table, "communities-and-crime"), _communities_and_crime
    ),
}
