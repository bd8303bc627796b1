"""The inputs on which exported code is compared with the search's own loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symloss.records import Kind

ORDINARY, EXTREME, TIES = "ordinary", "extreme", "ties and exact values"


@dataclass(frozen=True)
class Batch:
    """Network outputs (batch, outputs) in float64 and labels that fit them."""

    name: str
    outputs: Any
    labels: Any


def batches(kind: Kind, seed: int = 0) -> list[Batch]:
    """Ordinary and extreme outputs, ties, exact probabilities, and batches of several sizes."""
    return {Kind.MULTICLASS: _multiclass, Kind.BINARY: _binary, Kind.REGRESSION: _regression}[kind](
        np.random.default_rng(seed)
    )


def _multiclass(rng: np.random.Generator) -> list[Batch]:
    found = []
    for size, classes in [(1, 2), (16, 3), (7, 10), (2, 50)]:
        outputs = np.clip(1.5 * rng.standard_normal((size, classes)), -4.0, 4.0)
        found.append(Batch(ORDINARY, outputs, rng.integers(0, classes, size)))
    soft = rng.dirichlet(np.ones(4), size=6)
    found.append(Batch(ORDINARY, rng.standard_normal((6, 4)), soft))
    for height in (8.0, 20.0, 50.0, 100.0, 1e4):
        # Every class is once far above the others, once far below, and each is once the true one.
        outputs = height * np.concatenate([np.eye(3), -np.eye(3)]).repeat(3, axis=0)
        found.append(Batch(EXTREME, outputs, np.tile(np.arange(3), 6)))
    equal = np.stack([np.zeros(4), np.full(4, 3.0), np.array([1.0, 1.0, -2.0, -2.0])]).repeat(4, axis=0)
    found.append(Batch(TIES, equal, np.tile(np.arange(4), 3)))
    # Probabilities that are exactly 0 and 1, and targets equal to the predictions.
    exact = np.array([[0.0, -1e4, -1e4], [-1e4, 0.0, -1e4], [0.0, 0.0, -1e4]])
    found.append(Batch(TIES, exact, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])))
    return found


def _binary(rng: np.random.Generator) -> list[Batch]:
    found = []
    for size in (1, 24):
        outputs = np.clip(2.0 * rng.standard_normal((size, 1)), -5.0, 5.0)
        found.append(Batch(ORDINARY, outputs, rng.integers(0, 2, (size, 1)).astype(float)))
    found.append(Batch(ORDINARY, rng.standard_normal((6, 1)), rng.random((6, 1))))
    sizes = np.array([10.0, 20.0, 50.0, 100.0, 1e4])
    outputs = np.concatenate([sizes, -sizes]).repeat(2)[:, None]
    found.append(Batch(EXTREME, outputs, np.tile([0.0, 1.0], 10)[:, None]))
    exact = np.array([[0.0], [0.0], [0.0], [1e4], [-1e4]])
    found.append(Batch(TIES, exact, np.array([[0.5], [0.0], [1.0], [1.0], [0.0]])))
    return found


def _regression(rng: np.random.Generator) -> list[Batch]:
    found = []
    for shape in [(1, 1), (24, 1), (5, 3)]:
        found.append(Batch(ORDINARY, 2.0 * rng.standard_normal(shape), 2.0 * rng.standard_normal(shape)))
    values = np.array([-1e4, -100.0, -50.0, 0.0, 50.0, 100.0, 1e4])
    outputs, labels = (grid.reshape(-1, 1) for grid in np.meshgrid(values, values))
    found.append(Batch(EXTREME, outputs, labels))
    near = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    outputs, labels = (grid.reshape(-1, 1) for grid in np.meshgrid(near, near))
    found.append(Batch(TIES, outputs, labels))
    return found
