"""Shared by the tests of few-shot data: small folders of images, and a user's function."""

import numpy as np
from PIL import Image


def write_images(folder, images=4, shape=(6, 6), seed=0, suffix=".png"):
    """Random images in a folder, which is a class; no two of them are equal."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *str(folder).encode()])
    for number in range(images):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}{suffix}")
    return folder


def write_classes(folder, names, **options):
    for name in names:
        write_images(folder / name, **options)
    return folder


def blobs(split, rng):
    """A user's function: 3 ways, 2 shots, 4 queries, in no order; each class has its own mean."""
    sides = []
    for each in (2, 4):
        y = rng.permutation(np.repeat(np.arange(3), each))
        sides.append((rng.normal(y[:, None], 0.01, (len(y), 5)), y))
    return sides


def lines(split, rng):
    """A user's function for regression: 3 shots, 5 queries."""
    slope = rng.normal()
    return [(x, slope * x[:, 0]) for x in (rng.normal(size=(n, 1)) for n in (3, 5))]
