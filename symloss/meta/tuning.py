"""Tuning of constants by differentiating through training (the local search of EvoMAL).

One meta step: a fresh network takes one training step under the loss; the task loss of the stepped
network on validation data is differentiated with respect to the loss's constants; Adam moves them.

For a single inner step no double backward pass through the network is needed. With z the outputs on
the training batch, g(phi) = dL_phi/dz, and v the gradient of the task loss at the stepped weights,

    d task / d phi = -lr * d/dphi <g(phi), J v>,     J = dz/dtheta,

where J v is one more pass through the network. The loss is elementwise in the predictions p, so the product
is <slope(phi), dp/dz J v>: only the slopes, a short formula, are differentiated with respect to phi.
All candidates share the network, so the training forward pass is done once for the population.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn import functional

from symloss.expr import Expr, fold, weighted
from symloss.losses.entry import predictions_of, pull_back, targets_of
from symloss.losses.population import Population
from symloss.meta.lockstep import BatchOrder, Parameters, seeded_model
from symloss.meta.settings import Tuning
from symloss.meta.training import chunks
from symloss.records import Kind
from symloss.tasks.task import Task
from symloss.workers import in_parallel

TUNED_AT_ONCE = 12
"""Candidates that share the forward passes of tuning; the rest goes to other threads."""


def with_weights(expr: Expr, weights: str) -> Expr:
    """`expr` with the constants that tuning moves; see `Tuning.weights`."""
    if weights == "none":
        return fold(expr)
    return fold(weighted(expr)) if weights == "merged" else weighted(expr)


def task_loss(outputs: Tensor, labels: Tensor, kind: Kind) -> Tensor:
    """The differentiable stand-in for the metric: cross-entropy, or mean squared error. A scalar."""
    if kind is Kind.MULTICLASS:
        return functional.cross_entropy(outputs, labels)
    if kind is Kind.BINARY:
        return functional.binary_cross_entropy_with_logits(outputs, labels)
    return functional.mse_loss(outputs, labels)


def tune(
    expressions: Sequence[Expr], task: Task, tuning: Tuning, seed: int, tick: Callable[[], None] | None = None
) -> list[Expr]:
    """The expressions with tuned constants. A candidate whose gradient is not finite stands still."""
    if tuning.steps == 0 or not expressions:
        return list(expressions)
    pieces = in_parallel(
        lambda piece, tick: _tune_together(piece, task, tuning, seed, tick),
        chunks(expressions, TUNED_AT_ONCE),
        task.train.x.device,
        tick,
    )
    return [expr for piece in pieces for expr in piece]


def _tune_together(
    expressions: Sequence[Expr], task: Task, tuning: Tuning, seed: int, tick: Callable[[], None]
) -> list[Expr]:
    device = task.train.x.device
    population = Population(expressions, task.kind, device)
    constants = [values.requires_grad_() for values in population.constants(task.train.x.dtype)]
    adam = torch.optim.Adam(constants, lr=tuning.learning_rate)
    inner_total = tuning.steps * tuning.inner_steps
    train = BatchOrder(len(task.train), tuning.batch_size, inner_total, seed, device)
    valid = BatchOrder(len(task.valid), tuning.batch_size, tuning.steps, seed + 1, device)
    gradient = one_step_gradient if tuning.inner_steps == 1 else unrolled_gradient
    for step in range(tuning.steps):
        model = seeded_model(task.make_model, seed + step).to(device)
        inner = range(step * tuning.inner_steps, (step + 1) * tuning.inner_steps)
        batches = [train[i] for i in inner]
        meta_step = MetaStep(
            model, population, constants, task, batches, valid[step], tuning.inner_learning_rate
        )
        found = gradient(meta_step)
        for values, slope in zip(constants, found, strict=True):
            # A candidate that diverges must not spoil Adam's averages with NaN: it stands still instead.
            values.grad = torch.nan_to_num(slope, 0.0, 0.0, 0.0)
        adam.step()
        tick()
    return population.with_constants(constants)


@dataclass(frozen=True)
class MetaStep:
    """What a meta-gradient depends on.

    model:         the network before the inner steps, shared by all candidates.
    constants:     of `population`, in the shapes of `Population.constants`; gradients have the same.
    train_batches: indices of the training samples of each inner step.
    valid_batch:   indices of the validation samples on which the task loss is measured.
    learning_rate: of the inner steps.
    """

    model: nn.Module
    population: Population
    constants: Sequence[Tensor]
    task: Task
    train_batches: Sequence[Tensor]
    valid_batch: Tensor
    learning_rate: float

    def train_batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch, outputs) of an inner step, in the data's own precision."""
        task, indices = self.task, self.train_batches[number]
        x = task.train.x[indices]
        return x, targets_of(task.train.y[indices], task.kind, task.num_outputs, x.dtype)

    def valid_loss(self, outputs: Tensor) -> Tensor:
        """Task loss of each candidate's outputs (candidates, batch, outputs): (candidates,)."""
        labels = self.task.valid.y[self.valid_batch]
        losses: Tensor = vmap(lambda z: task_loss(z, labels, self.task.kind))(outputs)
        return losses


def one_step_gradient(step: MetaStep) -> list[Tensor]:
    """Exact meta-gradient for one inner step; see the module."""
    model, population, constants = step.model, step.population, step.constants
    start = {name: value.detach() for name, value in model.named_parameters()}
    buffers = dict(model.named_buffers())
    x, targets = step.train_batch(0)
    kind = population.kind

    def outputs_at(parameters: Parameters, x: Tensor = x) -> Tensor:
        result: Tensor = functional_call(model, (parameters, buffers), (x,))
        return result

    outputs, pull = vjp(outputs_at, start)[:2]
    predictions = predictions_of(outputs.detach(), kind)
    slopes = population.slopes(predictions[None], targets, constants)  # differentiable in the constants
    if not slopes.requires_grad:  # no constant reaches a gradient, as in a population of -(y * log(p)) alone
        return [torch.zeros_like(values) for values in constants]
    incoming = pull_back(predictions, slopes.detach(), kind) / len(x)
    (gradients,) = vmap(pull)(incoming)
    stepped = {name: start[name] - step.learning_rate * gradients[name] for name in start}

    directions = _task_gradients(step, outputs_at, stepped)
    # J v as the transpose of the transpose: torch's forward mode has one level per process, not per thread.
    push_back = vjp(lambda u: pull(u)[0], torch.zeros_like(outputs))[1]
    (movement,) = vmap(push_back)(directions)
    push = pull_back(predictions, movement, kind)  # the Jacobian of softmax is symmetric
    surrogate = -step.learning_rate * (slopes * push).sum() / len(x)
    return list(torch.autograd.grad(surrogate, constants, allow_unused=True, materialize_grads=True))


def _task_gradients(
    step: MetaStep, outputs_at: Callable[[Parameters, Tensor], Tensor], stepped: Parameters
) -> Parameters:
    """Gradient of the task loss at each candidate's stepped parameters: (candidates, ...)."""
    leaves = {name: value.requires_grad_() for name, value in stepped.items()}
    x = step.task.valid.x[step.valid_batch]
    losses = step.valid_loss(vmap(lambda p: outputs_at(p, x))(leaves))
    found = torch.autograd.grad(
        losses.sum(), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, found, strict=True))


def unrolled_gradient(step: MetaStep) -> list[Tensor]:
    """Exact meta-gradient for any number of inner steps, by differentiating through all of them."""
    model, population, constants = step.model, step.population, step.constants
    buffers = dict(model.named_buffers())
    count = len(population)
    parameters = {
        name: value.detach().expand(count, *value.shape).clone().requires_grad_()
        for name, value in model.named_parameters()
    }

    def outputs_at(parameters: Parameters, x: Tensor) -> Tensor:
        run = vmap(lambda p: functional_call(model, (p, buffers), (x,)))
        result: Tensor = run(parameters)
        return result

    for number in range(len(step.train_batches)):
        x, targets = step.train_batch(number)
        outputs = outputs_at(parameters, x)
        incoming = population.output_gradient(outputs, targets, constants)
        gradients = torch.autograd.grad(
            outputs, list(parameters.values()), incoming, create_graph=True, materialize_grads=True
        )
        parameters = {
            name: value - step.learning_rate * gradient
            for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
        }
    total = step.valid_loss(outputs_at(parameters, step.task.valid.x[step.valid_batch])).sum()
    return list(torch.autograd.grad(total, constants, allow_unused=True, materialize_grads=True))
