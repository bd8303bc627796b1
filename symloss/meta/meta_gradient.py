"""How the task loss of a trained network depends on what is tuned in the loss that trained it, exactly.

What is tuned, called constants here, may be those of formulas, the weights of a loss network, or a rate.

For a single inner step no double backward pass through the network is needed. With z the outputs on
the training batch, g(phi) = dL_phi/dz, and v the gradient of the task loss at the stepped weights,

    d task / d phi = -lr * d/dphi <g(phi), J v>,     J = dz/dtheta,

where J v is one more pass through the network. Only g, a short formula, is differentiated with respect to
phi; how, the losses know: see `Tunable`.
All candidates share the network, so the training forward pass is done once for the population.

For several inner steps the chain rule runs backwards over them, one at a time: each step is computed again
from its parameters when its turn comes, so no more than one step's graph exists at any time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from symloss.losses.entry import targets_of
from symloss.losses.neural.stacked import usual_gradient
from symloss.losses.tunable import Tunable
from symloss.meta.batches import training_inputs
from symloss.networks import Differentiable, Network, Parameters
from symloss.networks.randomness import step_seed
from symloss.records import Kind
from symloss.tasks.task import Task


@dataclass(frozen=True)
class MetaStep:
    """What a meta-gradient depends on.

    network:       how the networks compute. differentiable: the same, by torch and to any order.
    start:         the parameters before the inner steps, with one row for all candidates.
    population:    the losses of the candidates. constants: what is tuned in them; a gradient has their shape.
    train_batches: indices of the training samples of each inner step.
    valid_batch:   indices of the validation samples on which the task loss is measured.
    learning_rate: of the inner steps, plain gradient descent.
    seed, first:   of what is drawn, such as augmentation and dropout masks, and the number of the first inner
                   step among all.

    All passes are in training mode, those on validation samples too: running statistics say nothing yet
    about a network that has taken a step.
    """

    network: Network
    differentiable: Differentiable
    start: Parameters
    population: Tunable
    constants: Tensor
    task: Task
    train_batches: Sequence[Tensor]
    valid_batch: Tensor
    learning_rate: float
    seed: int = 0
    first: int = 0

    def train_batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch, outputs) of an inner step, in the data's own precision."""
        task, indices = self.task, self.train_batches[number]
        x = training_inputs(task, indices, self.seed, self.first + number)
        return x, targets_of(task.train.y[indices], task.kind, task.num_outputs, x.dtype)

    def drawn(self, number: int) -> int:
        """The seed of what networks draw in an inner step; one past the last is for validation data."""
        return step_seed(self.seed, self.first, number)

    def valid_inputs(self) -> Tensor:
        return self.task.valid.x[self.valid_batch]

    def valid_labels(self) -> Tensor:
        return self.task.valid.y[self.valid_batch]


def task_loss(outputs: Tensor, labels: Tensor, kind: Kind) -> Tensor:
    """The differentiable stand-in for the metric: cross-entropy, or mean squared error. A scalar."""
    if kind is Kind.MULTICLASS:
        return functional.cross_entropy(outputs, labels)
    if kind is Kind.BINARY:
        return functional.binary_cross_entropy_with_logits(outputs, labels)
    return functional.mse_loss(outputs, labels)


@torch.no_grad()
def one_step_gradient(step: MetaStep) -> Tensor:
    """Exact meta-gradient for one inner step; see the module."""
    network, start, rate = step.network, step.start, step.learning_rate
    x, targets = step.train_batch(0)

    forward = network.run(start, x, step.drawn(0))
    gradient, transpose = step.population.linearised(forward.outputs, targets, step.constants)
    gradients = forward.backward(gradient)
    stepped = {name: torch.sub(value, gradients[name], alpha=rate) for name, value in start.items()}

    valid = network.run(stepped, step.valid_inputs(), step.drawn(1))
    directions = valid.backward(
        usual_gradient(valid.outputs, step.valid_labels(), step.task.kind, plain=True)
    )
    return transpose(forward.push(directions), -rate)


def unrolled_gradient(step: MetaStep) -> Tensor:
    """Exact meta-gradient for any number of inner steps T.

    Memory: the graph of one step, and about 2 sqrt(T) copies of the parameters, from which the others are
    computed again.
    """
    total = len(step.train_batches)
    stride = math.isqrt(total - 1) + 1
    count = len(step.population)
    parameters = {name: value.expand(count, *value.shape[1:]) for name, value in step.start.items()}
    marks = []  # parameters before every stride-th step
    for number in range(total):
        if number % stride == 0:
            marks.append(parameters)
        parameters = _stepped(step, parameters, step.constants, number)
    adjoint = _task_adjoint(step, parameters)
    found = torch.zeros_like(step.constants)
    for first in range(stride * (len(marks) - 1), -1, -stride):
        before = [marks.pop()]
        for number in range(first, min(first + stride, total) - 1):
            before.append(_stepped(step, before[-1], step.constants, number))
        for number in range(first + len(before) - 1, first - 1, -1):
            adjoint, share = _transposed(step, before.pop(), adjoint, number)
            found += share
    return found


def _inner_gradient(
    step: MetaStep, parameters: Parameters, constants: Tensor, number: int, create_graph: bool
) -> Parameters:
    """Gradient of each candidate's loss at its parameters (K, ...), which require gradients."""
    x, targets = step.train_batch(number)
    outputs = step.differentiable.call(parameters, x, step.drawn(number))
    incoming = step.population.differentiable(
        outputs if create_graph else outputs.detach(), targets, constants
    )
    found = torch.autograd.grad(
        outputs, list(parameters.values()), incoming, create_graph=create_graph, materialize_grads=True
    )
    return dict(zip(parameters, found, strict=True))


@torch.enable_grad()
def _stepped(step: MetaStep, parameters: Parameters, constants: Tensor, number: int) -> Parameters:
    """Parameters after an inner step, without a graph."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    slopes = _inner_gradient(step, leaves, constants.detach(), number, create_graph=False)
    return {
        name: (leaves[name] - step.learning_rate * slope.detach()).detach() for name, slope in slopes.items()
    }


@torch.enable_grad()
def _transposed(
    step: MetaStep, parameters: Parameters, adjoint: Parameters, number: int
) -> tuple[Parameters, Tensor]:
    """The transposed derivative of an inner step, by parameters and by constants, applied to `adjoint`."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    constants = step.constants.detach().requires_grad_()
    slopes = _inner_gradient(step, leaves, constants, number, create_graph=True)
    after = [leaves[name] - step.learning_rate * slopes[name] for name in leaves]
    *found, share = torch.autograd.grad(
        after,
        [*leaves.values(), constants],
        [adjoint[name] for name in leaves],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(leaves, found, strict=True)), share


@torch.enable_grad()
def _task_adjoint(step: MetaStep, parameters: Parameters) -> Parameters:
    """Gradient of each candidate's task loss at its parameters."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    outputs = step.differentiable.call(leaves, step.valid_inputs(), step.drawn(len(step.train_batches)))
    labels = step.valid_labels()
    losses = vmap(lambda z: task_loss(z, labels, step.task.kind))(outputs)
    found = torch.autograd.grad(
        losses.sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, found, strict=True))
