"""What makes data and models usable, checked when a task is built: one sentence per mistake.

Each sentence says what was found, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from symloss.errors import TaskError, a_type
from symloss.records import Kind
from symloss.tasks.augmentation import Augmentation


def check_kind(kind: str) -> Kind:
    """`kind` as a Kind. Raises TaskError if there is no such kind."""
    try:
        return Kind(kind)
    except ValueError:
        known = ", ".join(known.value for known in Kind)
        raise TaskError(f"unknown kind of task '{kind}'; known are: {known}") from None


def check_metric(metric: object) -> None:
    """Raise TaskError unless `metric` is a text, which a run can keep and read again."""
    if not isinstance(metric, str):
        raise TaskError(
            f"the metric is {a_type(metric)}, expected a name or 'file.py:function', which a run can keep; "
            "write the function into a file"
        )


def check_positive(where: str, positive: object, kind: Kind, num_outputs: int) -> None:
    """Raise TaskError unless a positive class, if there is one, is a text and one of two."""
    if positive is not None and not isinstance(positive, str):
        raise TaskError(
            f"{where}: positive is {a_type(positive)}, expected the name of a class as text; write positive="
            f"'{positive}'"
        )
    if positive is not None and (kind, num_outputs) not in ((Kind.BINARY, 1), (Kind.MULTICLASS, 2)):
        raise TaskError(
            f"{where}: positive is '{positive}', which chooses one of two classes, found a {kind.value} task "
            f"with {num_outputs} outputs; leave it out"
        )


def check_split(where: str, x: Tensor, y: Tensor, kind: Kind, num_outputs: int) -> None:
    """Raise TaskError unless x, y are data of this kind; `where` is such as "task 'mine', valid"."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise TaskError(f"{where}: x and y must be torch tensors; use torch.as_tensor")
    if x.ndim < 2 or x.dtype != torch.float32:
        raise TaskError(
            f"{where}: x is {x.dtype} of shape {tuple(x.shape)}, expected torch.float32 of shape "
            "(samples, features...); use x.float() and reshape"
        )
    if len(x) == 0 or x[0].numel() == 0:
        raise TaskError(f"{where}: there are no data, x has shape {tuple(x.shape)}; every part needs samples")
    _check_targets(where, y, len(x), kind, num_outputs)
    for name, values in (("x", x), ("y", y)):
        bad = int((~torch.isfinite(values)).sum())
        if bad:
            raise TaskError(
                f"{where}: {name} has {bad} values that are NaN or infinite; remove or replace them"
            )
    if kind is not Kind.REGRESSION:
        _check_labels(where, y, kind, num_outputs)


def _check_targets(where: str, y: Tensor, samples: int, kind: Kind, num_outputs: int) -> None:
    shape = (samples,) if kind is Kind.MULTICLASS else (samples, num_outputs)
    dtype = torch.int64 if kind is Kind.MULTICLASS else torch.float32
    if tuple(y.shape) != shape or y.dtype != dtype:
        raise TaskError(
            f"{where}: y is {y.dtype} of shape {tuple(y.shape)}, expected {dtype} of shape {shape} "
            f"for a {kind.value} task with {num_outputs} outputs; convert or reshape y"
        )


def _check_labels(where: str, y: Tensor, kind: Kind, num_outputs: int) -> None:
    if kind is Kind.BINARY:
        if not bool(((y == 0) | (y == 1)).all()):
            raise TaskError(
                f"{where}: y must be 0 or 1 for a binary task, found {_odd(y)}; encode the labels"
            )
    elif int(y.min()) < 0 or int(y.max()) >= num_outputs:
        raise TaskError(
            f"{where}: y has class ids from {int(y.min())} to {int(y.max())}, expected 0 to "
            f"{num_outputs - 1}; renumber the classes or correct num_outputs"
        )


def _odd(y: Tensor) -> float:
    return float(y[(y != 0) & (y != 1)][0])


def check_model(where: str, make_model: Callable[[], nn.Module], x: Tensor, num_outputs: int) -> None:
    """Raise TaskError unless a fresh model maps samples x (k, ...) to (k, num_outputs).

    torch's global generator is left as it was: building a task must not change what follows.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            found = make_model().eval()(x.cpu())
        except Exception as error:
            raise TaskError(
                f"{where}: the model fails on inputs of shape {tuple(x.shape)}: "
                f"{type(error).__name__}: {error}; make_model must return a module for such inputs"
            ) from error
    expected = (len(x), num_outputs)
    if not isinstance(found, Tensor) or tuple(found.shape) != expected:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise TaskError(
            f"{where}: the model maps {len(x)} samples to {shape}, expected {expected}; "
            "correct its last layer or num_outputs"
        )


def check_augmentation(where: str, augment: Augmentation, x: Tensor) -> None:
    """Raise TaskError unless the augmentation of samples x gives finite samples of the same shape."""
    try:
        found = augment(x, torch.Generator().manual_seed(0))
    except Exception as error:
        raise TaskError(
            f"{where}: the augmentation '{augment.name}' fails on inputs of shape {tuple(x.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error
    same = isinstance(found, Tensor) and (found.shape, found.dtype) == (x.shape, x.dtype)
    if not same or not bool(torch.isfinite(found).all()):
        raise TaskError(
            f"{where}: the augmentation '{augment.name}' has to return finite inputs of the same shape "
            f"{tuple(x.shape)} and type {x.dtype}"
        )
