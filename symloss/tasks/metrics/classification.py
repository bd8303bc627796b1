"""Metrics of tasks with classes. Shapes are those of `metric`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.metrics.metric import CLASSES, Metric, class_ids, probabilities
from symloss.tasks.names import OF_CLASS

BINS = 15
"""Bins of confidence between 0 and 1, as many as in Guo et al. (arXiv 1706.04599)."""


def _decisions(outputs: Tensor) -> Tensor:
    """(..., n) class ids that a network decides for."""
    return (outputs.squeeze(-1) > 0).long() if outputs.shape[-1] == 1 else outputs.argmax(dim=-1)


def _error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (_decisions(outputs) != class_ids(targets)).double().mean(dim=-1)


def _balanced_error(outputs: Tensor, targets: Tensor) -> Tensor:
    wrong = (_decisions(outputs) != class_ids(targets)).double()
    members = functional.one_hot(class_ids(targets)).double()
    members = members[:, members.sum(dim=0) > 0]  # a class without samples has no error rate
    return (wrong @ members / members.sum(dim=0)).mean(dim=-1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    if outputs.shape[-1] == 1:
        # -log sigmoid(z) for class 1 and -log sigmoid(-z) for class 0, without overflow.
        return functional.softplus((1 - 2 * targets.double()) * outputs).mean(dim=(-2, -1))
    logarithms = torch.log_softmax(outputs, dim=-1)
    rows = torch.arange(len(targets), device=targets.device)
    return -logarithms[..., rows, targets].mean(dim=-1)


def _calibration(outputs: Tensor, targets: Tensor) -> Tensor:
    likely = probabilities(outputs)
    likely = torch.cat([1 - likely, likely], dim=-1) if likely.shape[-1] == 1 else likely
    confidence = likely.max(dim=-1).values
    surplus = (_decisions(outputs) == class_ids(targets)).double() - confidence
    bins = (confidence * BINS).ceil().clamp(1, BINS)  # each holds its upper end, as in the paper
    gaps = [(surplus * (bins == number)).sum(dim=-1).abs() for number in range(1, BINS + 1)]
    return torch.stack(gaps).sum(dim=0) / outputs.shape[-2]


def top_error(rank: int) -> Metric:
    """`top-K`: how often the true class is not among the K that a network thinks likeliest."""

    def cost(outputs: Tensor, targets: Tensor) -> Tensor:
        classes = outputs.shape[-1]
        if classes <= rank:
            raise TaskError(
                f"metric 'top-{rank}' is always 0 with {classes} classes; choose a smaller number, or error"
            )
        own = outputs.gather(-1, targets.expand(outputs.shape[:-1])[..., None])
        # Of equal outputs the first counts as likelier, as in `_decisions`: a network that says the same of
        # all classes gains nothing by it.
        first = torch.arange(classes, device=outputs.device) < targets[:, None]
        likelier = (outputs > own) | ((outputs == own) & first)
        return (likelier.sum(dim=-1) >= rank).double().mean(dim=-1)

    doc = f"fraction of samples whose class is not among the {rank} likeliest; best 0"
    return Metric(f"top-{rank}", (Kind.MULTICLASS,), cost, doc)


def _f1(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import f1_score

    decided, true = _decisions(outputs).cpu().numpy(), class_ids(targets).cpu().numpy()
    return 1.0 - float(f1_score(true, decided, average="macro", zero_division=0.0))


Score = Callable[..., Any]


def _auroc(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    return _one_against_rest("auroc", roc_auc_score, outputs, targets)


def _average_precision(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import average_precision_score

    return _one_against_rest("average-precision", average_precision_score, outputs, targets)


def _one_against_rest(name: str, score: Score, outputs: Tensor, targets: Tensor) -> float:
    """1 - the score of ranking each class above the rest, averaged over classes."""
    classes = max(2, outputs.shape[-1])
    members = functional.one_hot(class_ids(targets), classes).cpu().numpy()
    absent = [str(c) for c in range(classes) if not members[:, c].any()]
    if absent:
        raise TaskError(
            f"metric '{name}' needs samples of every class, found none of class {', '.join(absent)}; "
            "use more data or choose balanced-error"
        )
    if outputs.shape[-1] == 1:  # ranks are those of the logits, which do not saturate
        return 1.0 - float(score(members[:, 1], outputs[:, 0].cpu().numpy()))
    return 1.0 - float(score(members, probabilities(outputs).cpu().numpy(), average="macro"))


def of_class(name: str, positive: str) -> Metric | None:
    """A metric that counts class 1 of two alone, called by that class; None for one that counts all alike."""
    if name not in _ALONE:
        return None
    cost, doc = _ALONE[name]
    shown = f"{name}{OF_CLASS}{positive[:40]}"
    return Metric(shown, CLASSES, cost, f"{doc} of class {positive[:40]}; best 0", one_by_one=True)


def _f1_alone(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import f1_score

    decided, true = _decisions(outputs).cpu().numpy(), class_ids(targets).cpu().numpy()
    return 1.0 - float(f1_score(true, decided, zero_division=0.0))


def _average_precision_alone(outputs: Tensor, targets: Tensor) -> float:
    # Ranks are those of the log-odds, which do not saturate.
    odds = outputs if outputs.shape[-1] == 1 else outputs[:, 1:] - outputs[:, :1]
    return _average_precision(odds, class_ids(targets)[:, None])


_ALONE = {
    "f1": (_f1_alone, "1 - F1 score"),
    "average-precision": (_average_precision_alone, "1 - average precision"),
}

_one_by_one = functools.partial(Metric, one_by_one=True)

CLASSIFICATION = [
    Metric("error", CLASSES, _error, "fraction of samples put into a wrong class; best 0"),
    Metric("balanced-error", CLASSES, _balanced_error, "error averaged over classes of any size; best 0"),
    _one_by_one("f1", CLASSES, _f1, "1 - macro-averaged F1 score; best 0"),
    Metric("cross-entropy", CLASSES, _cross_entropy, "mean negative log-likelihood in nats; best 0"),
    Metric(
        "calibration",
        CLASSES,
        _calibration,
        f"expected calibration error of the decided class, {BINS} bins; best 0",
    ),
    _one_by_one("auroc", CLASSES, _auroc, "1 - area under the ROC curve, one against rest; best 0"),
    _one_by_one(
        "average-precision",
        CLASSES,
        _average_precision,
        "1 - average precision, that of class 1 or the mean over classes; best 0",
    ),
]
