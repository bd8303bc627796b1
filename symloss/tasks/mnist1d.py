"""MNIST-1D: digits as curves, small enough to train on in a second, hard enough to tell losses apart.

Written anew from the description in Greydanus and Kobak, "Scaling down deep learning with MNIST-1D"
(arXiv 2011.14439): ten templates of 12 points are padded, scaled, translated, sheared, overlaid with
smooth and white noise, and sampled at 40 points. The templates are our own drawings and the random
numbers are NumPy's, so that error rates resemble the published ones but do not compare with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Where the pen is, from the top of the digit to its foot: left of the middle negative, right positive.
# The first and last point are in the middle, where the padding goes on.
TEMPLATES: Array = (
    np.array(
        [
            [0, 4, 7, 9, 10, 10, 10, 10, 9, 7, 4, 0],  # 0: one wide arc
            [0, -9, -8, -6, -4, -2, 0, 2, 4, 6, 7, 0],  # 1: a flag, then a slanted line
            [0, 5, 8, 8, 5, 1, -3, -6, -8, -8, -5, 0],  # 2: an arc to the right, a foot to the left
            [0, 6, 8, 6, 3, 0, 0, 3, 6, 8, 6, 0],  # 3: two arcs to the right
            [0, -3, -5, -7, -9, -10, -1, 0, 0, 0, 0, 0],  # 4: down to the left, then straight
            [0, -8, -8, -8, -7, 0, 4, 7, 8, 6, 2, 0],  # 5: a corner on the left, a belly on the right
            [0, -4, -7, -8, -9, -9, -9, -9, -8, -7, -4, 0],  # 6: one arc to the left
            [0, 9, 9, 7, 5, 3, 1, -1, -3, -4, -5, 0],  # 7: a bar on the right, then slanted to the left
            [0, -5, -7, -6, -3, 0, 0, -3, -6, -7, -5, 0],  # 8: two arcs, its left side
            [0, -5, -7, -7, -5, 0, 0, 0, -1, -1, -2, 0],  # 9: an arc to the left, then a stem
        ]
    )
    / 13.0  # chosen so that a linear model and the mlp err as often as published: about 0.67 and 0.33
)

PADDING = (36, 60)  # zeros appended to a template, at least and at most
SCALE = 0.4  # amplitude between 1 - SCALE/2 and 1 + SCALE/2
TRANSLATION = 48  # points of the padded curve, at most
SHEAR = 0.75  # slope between -SHEAR/2 and SHEAR/2 over the whole curve
SMOOTH_NOISE, NOISE_WIDTH = 0.25, 2  # white noise of this size, filtered by a Gaussian of this width
WHITE_NOISE = 0.02
POINTS = 40


def generate(samples: int = 5000, seed: int = 42) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples x (samples, 40) and digits y (samples,), as many of each digit, in random order.

    The same seed gives the same samples.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(samples) % len(TEMPLATES)).astype(np.int64)
    return np.stack([_curve(TEMPLATES[digit], rng) for digit in y]).astype(np.float32), y


def _curve(template: Array, rng: np.random.Generator) -> Array:
    """One random variant (40,) of a template (12,)."""
    curve: Array = np.concatenate([template, np.zeros(rng.integers(*PADDING, endpoint=True))])
    curve = curve * (1 + SCALE * rng.uniform(-0.5, 0.5))
    # Translation goes around the end, so that no digit is cut off and lost.
    curve = np.roll(curve, rng.integers(TRANSLATION, endpoint=True))
    curve = curve + SMOOTH_NOISE * _smooth(rng.standard_normal(len(curve)))
    curve = curve + WHITE_NOISE * rng.standard_normal(len(curve))
    places = np.linspace(-0.5, 0.5, len(curve))
    curve = curve - SHEAR * rng.uniform(-0.5, 0.5) * places
    return np.interp(np.linspace(-0.5, 0.5, POINTS), places, curve)


def _smooth(noise: Array) -> Array:
    """Noise (n,) filtered by a Gaussian that is cut off at four times its width."""
    offsets = np.arange(-4 * NOISE_WIDTH, 4 * NOISE_WIDTH + 1)
    kernel = np.exp(-0.5 * (offsets / NOISE_WIDTH) ** 2)
    return np.convolve(noise, kernel / kernel.sum(), mode="same")
