"""Data sets as plain arrays, before any split. To add one, add a loader, its row, and its line in `names`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.records import Kind
from symloss.tasks.idx import load_idx
from symloss.tasks.mnist1d import generate


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays, and what is customary for them.

    x, y:     (n, ...features) numbers; class ids (n,), zeros and ones (n, 1), or values (n, outputs).
    official_test: x and y of the published test set; without one, `test_fraction` of x, y is set aside.
    scale:    mean and standard deviation to normalise x by, in the units of x; None: use those of each
              feature (of each channel of images) in the training part. Targets of regression are
              standardised by the training part.
    model, metric: defaults.
    confusions: pairs (class, what it is mistaken for) that are customary for asymmetric label noise.
    """

    name: str
    kind: Kind
    x: NDArray[Any]
    y: NDArray[Any]
    num_outputs: int
    official_test: tuple[NDArray[Any], NDArray[Any]] | None = None
    valid_fraction: float = 0.2
    test_fraction: float = 0.2
    scale: tuple[float, float] | None = None
    model: str = "mlp"
    metric: str = "error"
    notes: tuple[str, ...] = ()
    confusions: tuple[tuple[int, int], ...] = ()


Loader = Callable[[str | Path | None], Dataset]


def _digits(data_dir: str | Path | None) -> Dataset:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = x.reshape(-1, 1, 8, 8)
    return Dataset("digits", Kind.MULTICLASS, images, y.astype(np.int64), 10, scale=(0.0, 16.0))


def _diabetes(data_dir: str | Path | None) -> Dataset:
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return Dataset("diabetes", Kind.REGRESSION, x, y[:, None], 1, metric="mse")


def _wine(data_dir: str | Path | None) -> Dataset:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return Dataset("wine", Kind.MULTICLASS, x, y.astype(np.int64), 3)


def _breast_cancer(data_dir: str | Path | None) -> Dataset:
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return Dataset("breast-cancer", Kind.BINARY, x, y[:, None].astype(np.float64), 1)


def _mnist1d(data_dir: str | Path | None) -> Dataset:
    x, y = generate(5000)
    test = x[4000:], y[4000:]
    return Dataset("mnist1d", Kind.MULTICLASS, x[:4000], y[:4000], 10, test, scale=(0.0, 1.0))


def _mnist(data_dir: str | Path | None) -> Dataset:
    # Patrini et al. (arXiv 1609.03683): 7 for 1, 2 for 7, 5 and 6 for each other, 3 for 8.
    confusions = ((7, 1), (2, 7), (5, 6), (6, 5), (3, 8))
    return _images("mnist", data_dir, 0.1307, 0.3081, confusions)


def _fashion_mnist(data_dir: str | Path | None) -> Dataset:
    # Zhang and Sabuncu (arXiv 1805.07836): an ankle boot for a sneaker, a sneaker for a sandal, a pullover
    # for a shirt, coat and dress for each other.
    confusions = ((9, 7), (7, 5), (2, 6), (4, 3), (3, 4))
    return _images("fashion-mnist", data_dir, 0.2860, 0.3530, confusions)


def _images(
    name: str,
    data_dir: str | Path | None,
    mean: float,
    deviation: float,
    confusions: tuple[tuple[int, int], ...],
) -> Dataset:
    """Mean and standard deviation are those of the published training set with pixels in [0, 1]."""
    (x, y, test_x, test_y), folder = load_idx(name, data_dir)
    return Dataset(
        name,
        Kind.MULTICLASS,
        x[:, None],
        y.astype(np.int64),
        10,
        official_test=(test_x[:, None], test_y.astype(np.int64)),
        valid_fraction=0.1,
        scale=(255 * mean, 255 * deviation),
        model="lenet5",
        notes=(f"read from {folder}",),
        confusions=confusions,
    )


LOADERS: dict[str, Loader] = {
    "digits": _digits,
    "diabetes": _diabetes,
    "wine": _wine,
    "breast-cancer": _breast_cancer,
    "mnist1d": _mnist1d,
    "mnist": _mnist,
    "fashion-mnist": _fashion_mnist,
}
"""Each takes the folder with the user's data, or None, and may ignore it."""
