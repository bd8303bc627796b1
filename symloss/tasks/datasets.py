"""The data sets by name. To add one, add a loader, its row, and its line in `names`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from symloss.tasks import embedded, images, published
from symloss.tasks.dataset import Dataset

Loader = Callable[[str | Path | None], Dataset]

LOADERS: dict[str, Loader] = {
    "digits": embedded.digits,
    "diabetes": embedded.diabetes,
    "wine": embedded.wine,
    "breast-cancer": embedded.breast_cancer,
    "mnist1d": embedded.mnist1d,
    "mnist": images.mnist,
    "fashion-mnist": images.fashion_mnist,
    "cifar10": images.cifar10,
    "cifar100": images.cifar100,
    "svhn": images.svhn,
    "california-housing": published.california_housing,
    "communities-and-crime": published.communities_and_crime,
}
"""Each takes the folder with the user's data, or None, and may ignore it."""
