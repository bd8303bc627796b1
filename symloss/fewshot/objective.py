"""What is minimised while a task is learned: its own loss, and loss networks that are learned over tasks.

NPBML's loss is M = support part + query part + weight part. As in its code, cross-entropy on the support set
is added, so that training starts near MAML. Where this differs from that code (and follows the paper):

- the query part has a network of its own, and L1 is L1 (the code asks the support network, and has L2 twice);
- norms are per number: L1 / n and L2 / sqrt(n), so that they have one size in tensors of all sizes;
- a loss network looks at each class by itself, and outcomes are averaged (`rows="classes"`). With the code's
  way, all classes in one row, the loss of a task depends on how its classes are numbered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss.fewshot.backbones import SMALL, small_linear
from symloss.fewshot.settings import Loss as LossSettings
from symloss.records import Kind

Tensors = Mapping[str, Tensor]

LEAK, SHARPNESS = 0.25, 5.0
"""Of the smooth leaky ReLU at the end of a loss network."""

TINY = 1e-6
"""Added below square roots: their derivative at zero is endless, and biases start there."""


def smooth_leaky_relu(x: Tensor) -> Tensor:
    """Leak x + (1 - leak) log(1 + exp(sharpness x)) / sharpness."""
    return LEAK * x + (1 - LEAK) * functional.softplus(x, beta=SHARPNESS)


class FilmLinear(nn.Module):
    """A linear layer whose outputs are scaled and shifted by another one of its input, or of the average."""

    def __init__(self, inputs: int, outputs: int, film: bool, modulation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)  # the bias starts as torch has it
        nn.init.normal_(self.linear.weight, std=SMALL)
        self.film = small_linear(inputs, 2 * outputs) if film else None
        self.whole = modulation == "task"

    def forward(self, x: Tensor) -> Tensor:
        return self.modulated(x, x.flatten(0, -2).mean(0) if self.whole else None)

    def modulated(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The outputs where FiLM looks at `context`, or at each row itself if that is None."""
        found = cast(Tensor, self.linear(x))
        if self.film is None:
            return found
        gamma, beta = self.film(x if context is None else context).chunk(2, dim=-1)
        return cast(Tensor, (1 + gamma) * found + beta)


class LossNetwork(nn.Module):
    """Rows (..., inputs) -> the average over rows of three layers: a scalar."""

    def __init__(self, inputs: int, settings: LossSettings, film: bool) -> None:
        super().__init__()
        widths = [inputs, settings.hidden, settings.hidden, 1]
        self.layers = nn.ModuleList(
            FilmLinear(widths[i], widths[i + 1], film, settings.modulation) for i in range(3)
        )

    def forward(self, rows: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            rows = functional.relu(layer(rows))
        return smooth_leaky_relu(self.layers[-1](rows)).mean()


def task_losses(outputs: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    """The task's own loss of each example (n,): cross-entropy, or mean squared error over its outputs."""
    if kind is Kind.MULTICLASS:
        return functional.cross_entropy(outputs, targets, reduction="none")
    return (outputs - targets).square().mean(1)


def one_hot(targets: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """(n, classes). Torch's own looks at values to check them, which vmap refuses."""
    return (targets[:, None] == torch.arange(classes, device=targets.device)).to(dtype)


def weight_statistics(weights: Tensors) -> Tensor:
    """Mean, deviation, L1 and L2 norm of each tensor, in the order of names (4 * tensors,)."""
    found = []
    for _, weight in sorted(weights.items()):
        mean, square = weight.mean(), weight.square().mean()
        deviation = torch.sqrt((weight - mean).square().mean() + TINY)
        found += [mean, deviation, weight.abs().mean(), torch.sqrt(square + TINY)]
    return torch.stack(found)


class Objective(nn.Module):
    """The parts of the loss that are learned; the task's own loss is added by the learner."""

    def __init__(self, settings: LossSettings, kind: Kind, outputs: int, tensors: int, film: bool) -> None:
        """outputs: of the network, N. tensors: how many are changed while a task is learned."""
        super().__init__()
        self.settings, self.kind, self.outputs = settings, kind, outputs
        whole, classes = settings.rows == "whole", kind is Kind.MULTICLASS
        support = (2 * outputs + 1 if whole else 4) if classes else 3
        query = support if classes else 1
        self.inductive = LossNetwork(support, settings, film) if settings.inductive else None
        self.transductive = LossNetwork(query, settings, film) if settings.transductive else None
        self.regulariser = LossNetwork(4 * tensors, settings, film) if settings.regulariser else None

    def forward(
        self, support: Tensor, targets: Tensor, query: Tensor | None, scores: Tensor | None, weights: Tensors
    ) -> Tensor:
        """A scalar. support, query: outputs (n, N); scores: of the classes for each query (n, N), or None."""
        found = support.new_zeros(())
        if self.inductive is not None:
            marked = targets
            if self.kind is Kind.MULTICLASS:
                marked = one_hot(targets, self.outputs, support.dtype)
            found = found + self.inductive(self.rows(support, marked, targets))
        if self.transductive is not None:
            assert query is not None
            if self.kind is Kind.MULTICLASS:
                assert scores is not None
                found = found + self.transductive(self.rows(query, scores, scores.argmax(1)))
            else:
                found = found + self.transductive(query[..., None])
        if self.regulariser is not None:
            found = found + self.regulariser(weight_statistics(weights)[None])
        return found

    def rows(self, outputs: Tensor, marks: Tensor, targets: Tensor) -> Tensor:
        """What a loss network looks at: (n, N, 4), or (n, 2 N + 1) for whole rows, or (n, N, 3) for numbers.

        marks: the targets as numbers for each output, or scores of the classes (n, N).
        """
        losses = task_losses(outputs, targets, self.kind)[:, None]
        if self.kind is not Kind.MULTICLASS:
            return torch.stack([outputs, marks, losses.expand_as(outputs)], dim=2)
        if self.settings.rows == "whole":
            return torch.cat([outputs, marks, losses], dim=1)
        logs = functional.log_softmax(outputs, dim=1)
        return torch.stack([outputs, logs, marks, losses.expand_as(outputs)], dim=2)
