"""The inductive part of a run's loss as a loss of one prediction and its target: to look at, and distil.

In training a loss network sees an output beside everything else that is known of its example, and FiLM makes
it another network for every task. What is shown here is a cut through that: an example whose other classes
share what the prediction leaves, in the average of some validation tasks, before they are learned.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from symloss.errors import RunError
from symloss.fewshot.learner import group
from symloss.fewshot.objective import FilmLinear, LossNetwork, Objective, one_hot, smooth_leaky_relu
from symloss.fewshot.training import Trained
from symloss.records import Kind

TASKS = 8
"""Validation tasks whose average is what FiLM looks at."""

NEAREST = 1e-6
"""Probabilities are kept this far from 0 and 1: the network sees their logarithms."""


@dataclass(frozen=True)
class InductiveLoss:
    """What a run adds for a pair of prediction and target, and its task's own loss where it keeps that.

    outputs: classes of a task, or numbers predicted. level: the mean output. contexts: what FiLM looks at in
    each layer, None where it looks at the row itself.
    """

    kind: Kind
    outputs: int
    residual: bool
    network: LossNetwork
    level: Tensor
    contexts: tuple[Tensor | None, ...]

    def per_element(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Values, in the shape of both: to be summed over classes, or outputs, for the loss of an example.

        prediction: probabilities, or values for regression. target: one-hot, or values.
        """
        if self.kind is Kind.MULTICLASS:
            rows, own = self._of_probabilities(prediction, target)
        else:
            own = (prediction - target).square()
            rows = torch.stack([prediction, target, own], dim=-1)
            own = own / self.outputs
        found = through(self.network, rows, self.contexts) / self.outputs
        return found + own if self.residual else found

    def _of_probabilities(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of a class, and the class's share of cross-entropy."""
        inside = prediction.clamp(NEAREST, 1.0 - NEAREST)
        mine, others = inside.log(), ((1.0 - inside) / (self.outputs - 1)).log()
        output = self.level + (1.0 - 1.0 / self.outputs) * (mine - others)
        own = -target * mine
        loss = own - (1.0 - target) * others
        return torch.stack([output, mine, target, loss], dim=-1), own


def inductive_loss(trained: Trained) -> InductiveLoss:
    """The inductive part of what a run has learned.

    Raises RunError if it has none, or one that looks at all classes at once.
    """
    learner = trained.learner.learner
    objective = learner.objective
    if not isinstance(objective, Objective) or objective.inductive is None:
        method = trained.record.settings.method
        raise RunError(
            f"method '{method}' learned no inductive loss here; npbml does, and --set loss.inductive=true"
        )
    multiclass = learner.kind is Kind.MULTICLASS
    if multiclass and objective.settings.rows == "whole":
        raise RunError(
            "this loss looks at all classes at once (loss.rows=whole), and is no function of one probability"
        )
    found = copy.deepcopy(objective)
    found.load_state_dict(group(trained.meta, "loss"))
    outputs, rows = _seen(trained, found)
    assert found.inductive is not None
    network = found.inductive.double()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return InductiveLoss(
        learner.kind,
        learner.outputs,
        learner.settings.loss.residual,
        network,
        outputs.double().mean(),
        looked_at(network, rows.double()),
    )


def _seen(trained: Trained, objective: Objective) -> tuple[Tensor, Tensor]:
    """Outputs (tasks, n, N) for support sets not yet learned, and what the loss network sees of them."""
    learner, meta = trained.learner.learner, trained.meta
    with torch.no_grad():
        tasks = trained.learner.tasks(trained.task.valid, 0, TASKS)
        weights = learner.started(meta).weights

        def of_one(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            outputs = learner.outputs_of(weights, meta, x)
            multiclass = learner.kind is Kind.MULTICLASS
            marks = one_hot(y, learner.outputs, outputs.dtype) if multiclass else y
            return outputs, objective.rows(outputs, marks, y)

        found: tuple[Tensor, Tensor] = vmap(of_one)(tasks["support_x"], tasks["support_y"])
    return found


def looked_at(network: LossNetwork, rows: Tensor) -> tuple[Tensor | None, ...]:
    """The average that FiLM looks at in each layer, for rows (..., inputs)."""
    found: list[Tensor | None] = []
    for layer in _layers(network):
        found.append(rows.flatten(0, -2).mean(0) if layer.film is not None and layer.whole else None)
        rows = functional.relu(layer.modulated(rows, found[-1]))
    return tuple(found)


def through(network: LossNetwork, rows: Tensor, contexts: Sequence[Tensor | None]) -> Tensor:
    """The value of each row (...,), with FiLM looking at `contexts`."""
    *hidden, last = zip(_layers(network), contexts, strict=True)
    for layer, context in hidden:
        rows = functional.relu(layer.modulated(rows, context))
    return smooth_leaky_relu(last[0].modulated(rows, last[1]))[..., 0]


def _layers(network: LossNetwork) -> list[FilmLinear]:
    return cast(list[FilmLinear], list(network.layers))
