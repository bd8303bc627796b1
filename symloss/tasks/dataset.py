"""What a data set is before any split: plain arrays, and what is customary for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from numpy.typing import NDArray

from symloss.records import Kind
from symloss.tasks.augmentation import Augmentation


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays, and what is customary for them.

    x, y:     (n, ...features) numbers; class ids (n,), zeros and ones (n, 1), or values (n, outputs).
    official_valid, official_test: x and y of a validation or test set that is given; without one,
              `valid_fraction` or `test_fraction` of x, y is set aside.
    scale:    mean and standard deviation to normalise x by, in the units of x: numbers, or arrays that
              broadcast to a sample; None: use those of each feature (of each channel of images) in the
              training part. Targets of regression are standardised by the training part.
    encode:   for tables: from x of the training part a function of any x to numbers (n, features), which are
              not normalised further.
    augment:  customary for training, in units of the normalised x.
    model, metric: defaults.
    labels:   what classes are called in the data, by their ids; None for 0, 1, 2, ...
    positive: what class 1 of two is called if f1 and average-precision are to count it alone.
    confusions: pairs (class, what it is mistaken for) that are customary for asymmetric label noise.
    """

    name: str
    kind: Kind
    x: NDArray[Any]
    y: NDArray[Any]
    num_outputs: int
    _: KW_ONLY
    official_valid: tuple[NDArray[Any], NDArray[Any]] | None = None
    official_test: tuple[NDArray[Any], NDArray[Any]] | None = None
    valid_fraction: float = 0.2
    test_fraction: float = 0.2
    scale: tuple[Any, Any] | None = None
    encode: Callable[[NDArray[Any]], Callable[[NDArray[Any]], NDArray[Any]]] | None = None
    augment: Augmentation | None = None
    model: str = "mlp"
    metric: str = "error"
    notes: tuple[str, ...] = ()
    labels: NDArray[Any] | None = None
    positive: str | None = None
    confusions: tuple[tuple[int, int], ...] = ()
