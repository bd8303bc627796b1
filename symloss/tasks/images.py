"""Sets of images in published files on disk. They stay bytes until a task normalises them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symloss.records import Kind
from symloss.tasks.augmentation import shifted
from symloss.tasks.cifar import load_cifar
from symloss.tasks.dataset import Dataset
from symloss.tasks.idx import load_idx
from symloss.tasks.svhn import load_svhn

Confusions = tuple[tuple[int, int], ...]
Channels = tuple[float, float, float]


def mnist(data_dir: str | Path | None = None) -> Dataset:
    """LeCun, Bottou, Bengio and Haffner, Gradient-based learning (1998)."""
    # Patrini et al. (arXiv 1609.03683): 7 for 1, 2 for 7, 5 and 6 for each other, 3 for 8.
    confusions = ((7, 1), (2, 7), (5, 6), (6, 5), (3, 8))
    return _from_idx("mnist", data_dir, 0.1307, 0.3081, confusions)


def fashion_mnist(data_dir: str | Path | None = None) -> Dataset:
    """Xiao, Rasul and Vollgraf (arXiv 1708.07747)."""
    # Zhang and Sabuncu (arXiv 1805.07836): an ankle boot for a sneaker, a sneaker for a sandal, a pullover
    # for a shirt, coat and dress for each other.
    confusions = ((9, 7), (7, 5), (2, 6), (4, 3), (3, 4))
    return _from_idx("fashion-mnist", data_dir, 0.2860, 0.3530, confusions)


def _from_idx(
    name: str,
    data_dir: str | Path | None,
    mean: float,
    deviation: float,
    confusions: Confusions,
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


def cifar10(data_dir: str | Path | None = None) -> Dataset:
    """Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)."""
    # Patrini et al.: truck for automobile, bird for airplane, deer for horse, cat and dog for each other.
    confusions = ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3))
    mean, deviation = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return _from_cifar("cifar10", data_dir, 10, mean, deviation, confusions)


def cifar100(data_dir: str | Path | None = None) -> Dataset:
    """As `cifar10`; a class is mistaken for the next one of its superclass, as in Patrini et al."""
    mean, deviation = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
    return _from_cifar("cifar100", data_dir, 100, mean, deviation, ())


def _from_cifar(
    name: str,
    data_dir: str | Path | None,
    classes: int,
    mean: Channels,
    deviation: Channels,
    confusions: Confusions,
) -> Dataset:
    train, test, folder = load_cifar(name, data_dir)
    if train.coarse is not None:
        confusions = _within(train.coarse, train.labels)
    return Dataset(
        name,
        Kind.MULTICLASS,
        train.images,
        train.labels,
        classes,
        official_test=(test.images, test.labels),
        valid_fraction=0.1,
        scale=(_pixels(mean), _pixels(deviation)),
        augment=shifted(4, -_pixels(mean) / _pixels(deviation), flip=True),
        model="lenet5",
        notes=(f"read from {folder}",),
        confusions=confusions,
    )


def _within(superclass: NDArray[np.int64], labels: NDArray[np.int64]) -> Confusions:
    """Each class and the next one of the same superclass, the last one's next being the first."""
    found: list[tuple[int, int]] = []
    for number in np.unique(superclass):
        members = [int(c) for c in np.unique(labels[superclass == number])]
        if len(members) > 1:
            found += zip(members, [*members[1:], members[0]], strict=True)
    return tuple(sorted(found))


def svhn(data_dir: str | Path | None = None) -> Dataset:
    """Street view house numbers, cropped digits (Netzer et al., 2011), without the extra ones."""
    (x, y), test, folder = load_svhn(data_dir)
    mean, deviation = (0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744)
    return Dataset(
        "svhn",
        Kind.MULTICLASS,
        x,
        y,
        10,
        official_test=test,
        valid_fraction=0.1,
        scale=(_pixels(mean), _pixels(deviation)),
        augment=shifted(4, -_pixels(mean) / _pixels(deviation), flip=False),  # a mirrored 2 is no 2
        model="lenet5",
        notes=(f"read from {folder}",),
    )


def _pixels(channels: Channels) -> NDArray[np.float32]:
    """Values of channels between 0 and 1 as (3, 1, 1) in the units of bytes."""
    return 255 * np.array(channels, np.float32)[:, None, None]
