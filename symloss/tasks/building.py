"""From a data set to a task: split, scale, choose the model, corrupt."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symloss.records import Kind
from symloss.tasks.corruption import Corruption, corrupt
from symloss.tasks.dataset import Dataset
from symloss.tasks.models import model_maker
from symloss.tasks.names import STANDARDISED
from symloss.tasks.splitting import generator, split_indices, subsample_indices
from symloss.tasks.task import Split, Task

Array = NDArray[Any]


def build_task(
    data: Dataset,
    *,
    model: str | None = None,
    metric: str | None = None,
    corruption: Corruption,
    data_seed: int = 0,
    train_size: int | None = None,
    augment: bool = True,
) -> Task:
    """The task of a data set; model and metric default to the customary ones.

    train_size: keep only that many training samples, as many of each class as their share.
    augment:    False leaves the data set's own augmentation out.
    """
    train, valid, test = _encoded(data, _parts(data, data_seed, train_size))
    scale_x, scale_y, notes = _scales(data, *train)

    def split(x: Array, y: Array) -> Split:
        return Split(scale_x(x), scale_y(y) if data.kind is Kind.REGRESSION else _labels(y, data.kind))

    model = model or data.model
    augmentation = data.augment if augment else None
    augmented = (f"training batches augmented: {augmentation.name}",) if augmentation else ()
    task = Task(
        data.name,
        data.kind,
        split(*train),
        split(*valid),
        split(*test),
        make_model=model_maker(model, tuple(train[0].shape[1:]), data.num_outputs),
        num_outputs=data.num_outputs,
        metric=metric or data.metric,
        model_name=model,
        notes=(*data.notes, *_counted(data, metric or data.metric), *notes, *augmented),
        augment=augmentation,
        confusions=data.confusions,
        positive=data.positive,
    )
    return corrupt(task, corruption, data_seed)


def _counted(data: Dataset, metric: str) -> tuple[str, ...]:
    """Which class of one output a metric counts, if it counts one and nobody has chosen it."""
    alone = metric == "average-precision" and data.kind is Kind.BINARY
    if not alone or data.labels is None or data.positive is not None:
        return ()
    return (f"{metric} counts class {data.labels[1]}; choose another with positive=CLASS",)


def _parts(data: Dataset, data_seed: int, train_size: int | None) -> list[tuple[Array, Array]]:
    """The training, validation and test part: x and y of each."""
    strata, names = _strata(data)
    given = (data.official_valid, data.official_test)
    wanted = zip(given, (data.valid_fraction, data.test_fraction), strict=True)
    fractions = [fraction for own, fraction in wanted if own is None]
    train, *rest = split_indices(strata, fractions, generator(data_seed, "split"), names)
    if train_size is not None:
        chosen = subsample_indices(strata[train], train_size, generator(data_seed, "train size"))
        train = train[chosen]
    drawn = iter([(data.x[part], data.y[part]) for part in rest])
    return [(data.x[train], data.y[train]), *(next(drawn) if own is None else own for own in given)]


def _strata(data: Dataset) -> tuple[Array, Array | None]:
    """The class of each sample, the same for values, and what classes are called.

    They are in the order of their names, so that to choose a positive class moves no sample.
    """
    if data.kind is Kind.REGRESSION:
        return np.zeros(len(data.y), np.int64), data.labels
    ids: Array = data.y.reshape(-1)
    if data.labels is None or data.positive is None:
        return ids, data.labels
    order = np.argsort(data.labels)
    return np.argsort(order)[ids], data.labels[order]


def _encoded(data: Dataset, parts: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    if data.encode is None:
        return parts
    encode = data.encode(parts[0][0])
    return [(encode(x), y) for x, y in parts]


class _Scale:
    """(values - mean) / deviation as a float32 tensor."""

    def __init__(self, mean: Any, deviation: Any) -> None:
        self.mean, self.deviation = mean, deviation

    @classmethod
    def of(cls, values: Array) -> _Scale:
        """Statistics of each feature of (n, features), or each channel of (n, channels, h, w)."""
        axes = (0, *range(2, values.ndim)) if values.ndim == 4 else (0,)
        mean = values.mean(axis=axes, keepdims=True, dtype=np.float64)
        deviation = values.std(axis=axes, keepdims=True, dtype=np.float64)
        return cls(mean, np.where(deviation > 0, deviation, 1.0))  # a constant feature becomes 0

    def __call__(self, values: Array) -> Tensor:
        # Float64 in between: a feature may be a date in seconds, whose differences float32 loses. Bytes of
        # images need no such care, and would take a gigabyte.
        scaled = values.astype(np.float32 if values.dtype == np.uint8 else np.float64)
        scaled -= self.mean
        scaled /= self.deviation
        return torch.from_numpy(scaled.astype(np.float32, copy=False))


def _scales(data: Dataset, x: Array, y: Array) -> tuple[_Scale, _Scale, tuple[str, ...]]:
    """How to scale x and y, from a training part; the note gives the way back to the units of y."""
    given = (0.0, 1.0) if data.encode else data.scale
    scale_x = _Scale(*given) if given else _Scale.of(x)
    if data.kind is not Kind.REGRESSION:
        return scale_x, _Scale(0.0, 1.0), ()
    scale_y = _Scale.of(y)
    mean = ", ".join(f"{value:g}" for value in np.ravel(scale_y.mean))
    deviation = ", ".join(f"{value:g}" for value in np.ravel(scale_y.deviation))
    return scale_x, scale_y, (f"{STANDARDISED}: mean {mean}, standard deviation {deviation}",)


def _labels(y: Array, kind: Kind) -> Tensor:
    labels = torch.from_numpy(np.ascontiguousarray(y))
    return labels.long() if kind is Kind.MULTICLASS else labels.float()
