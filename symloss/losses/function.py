"""Losses given as code, beside those given as formulas, and the gradients of a mixture of both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.expr import Expr
from symloss.losses.entry import averaged, targets_of
from symloss.losses.neural.settings import NetworkSettings
from symloss.losses.population import Population
from symloss.records import Kind


@dataclass(frozen=True)
class FunctionLoss:
    """A loss as a function of raw outputs (n, C) and labels, as torch's own are: `function(outputs, labels)`.

    stacks: True if `function` returns one value for each sample or element, whatever the others are: batches
            of several networks are then given to it as one. Otherwise it is called once for each network,
            and the mean of what it returns is the loss.
    follows: True if `function` also takes `progress`, the share of training that is done, in [0, 1).
    """

    name: str
    function: Callable[..., Tensor]
    stacks: bool = False
    follows: bool = False

    @torch.enable_grad()
    def output_gradient(self, outputs: Tensor, labels: Tensor, kind: Kind, progress: float) -> Tensor:
        """Gradient of each network's batch loss with respect to its outputs (K, batch, C). Same shape."""
        function = functools.partial(self.function, progress=progress) if self.follows else self.function
        if not self.stacks:
            return torch.stack([_gradient(function, row, labels) for row in outputs.contiguous()])
        networks, batch = outputs.shape[:2]
        leaf = outputs.detach().flatten(0, 1).contiguous().requires_grad_()
        repeated = labels.repeat(networks, *[1] * (labels.ndim - 1))
        total = function(leaf, repeated).sum() / averaged(outputs, kind)
        (slope,) = torch.autograd.grad(total, leaf)
        return slope.view(networks, batch, -1)


def _gradient(function: Callable[..., Tensor], outputs: Tensor, labels: Tensor) -> Tensor:
    leaf = outputs.detach().requires_grad_()
    (slope,) = torch.autograd.grad(function(leaf, labels).mean(), leaf)
    return slope


@dataclass(frozen=True)
class OnlineLoss:
    """A loss that learns while a network trains; what it has learned belongs to that network.

    weights: of the loss network in the beginning, (settings.size,); without settings of a network, the factor
             of a learned learning rate alone. rate: of Adam on the weights.
    meta_batch: what the stepped network is asked about: a batch of "validation" data, or the next one of
             "training".
    """

    name: str
    settings: NetworkSettings | None
    weights: tuple[float, ...]
    rate: float
    meta_batch: str = "validation"


@dataclass(frozen=True)
class Balanced:
    """A loss whose samples are weighted by class, so that all classes of the training data weigh the same.

    A batch's loss is the mean of its samples' losses with weights n / (C n_c), where n_c of n training
    samples are of class c. `torch.nn.CrossEntropyLoss(weight=...)` has it so without label smoothing; with
    it, and in exported files, `weight` goes with the terms of classes. A function is taken for a mean of
    its samples' losses.
    """

    loss: Expr | FunctionLoss


Loss = Expr | FunctionLoss | OnlineLoss | Balanced
"""What networks can be trained under.

How an `OnlineLoss` learns, and the counts of a `Balanced` one, are known where networks are trained.
"""


def unweighted(loss: Loss) -> Expr | FunctionLoss:
    """The loss of a sample."""
    plain = loss.loss if isinstance(loss, Balanced) else loss
    assert not isinstance(plain, OnlineLoss)
    return plain


class Losses:
    """K losses, one for each of K networks, of either form."""

    def __init__(
        self, losses: Sequence[Expr | FunctionLoss], kind: Kind, num_outputs: int, like: Tensor
    ) -> None:
        """like: a tensor with the device and the precision of the networks."""
        self._kind, self._num_outputs, self._dtype = kind, num_outputs, like.dtype
        formulas = [(row, loss) for row, loss in enumerate(losses) if isinstance(loss, Expr)]
        self._population = Population([loss for _, loss in formulas], kind, like.device)
        self._constants = self._population.constants(like.dtype)
        self._rows: list[tuple[FunctionLoss, list[int]]] = []
        self._formulas = [row for row, _ in formulas]
        functions: dict[FunctionLoss, list[int]] = {}
        for row, loss in enumerate(losses):
            if isinstance(loss, FunctionLoss):
                functions.setdefault(loss, []).append(row)
        self._rows = list(functions.items())

    def output_gradient(self, outputs: Tensor, labels: Tensor, progress: float) -> Tensor:
        """Gradient of each network's loss with respect to its outputs (K, batch, C).

        labels: of a `Split`. progress: the share of training that is done.
        """
        if not self._rows:
            return self._symbolic(outputs, labels)
        found = torch.empty_like(outputs)
        if self._formulas:
            found[self._formulas] = self._symbolic(outputs[self._formulas], labels)
        for loss, rows in self._rows:
            found[rows] = loss.output_gradient(outputs[rows], labels, self._kind, progress)
        return found

    def _symbolic(self, outputs: Tensor, labels: Tensor) -> Tensor:
        targets = targets_of(labels, self._kind, self._num_outputs, self._dtype)
        return self._population.output_gradient(outputs, targets, self._constants)
