"""Tuning of constants by differentiating through training (the local search of EvoMAL).

One meta step: a fresh network takes one training step under the loss; the task loss of the stepped
network on validation data is differentiated with respect to the loss's constants; Adam moves them.
How that derivative is found is in `meta_gradient`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch

from symloss.expr import Expr, fold, parse_expression, print_expression, weighted
from symloss.losses.population import Population
from symloss.meta.lockstep import BatchOrder
from symloss.meta.meta_gradient import MetaStep, one_step_gradient, unrolled_gradient
from symloss.meta.pieces import Memory, each_result
from symloss.meta.plan import Plan
from symloss.meta.settings import Tuning
from symloss.meta.starts import starts_for
from symloss.tasks.task import Task
from symloss.workers import Lost


def with_weights(expr: Expr, weights: str) -> Expr:
    """`expr` with the constants that tuning moves; see `Tuning.weights`."""
    if weights == "none":
        return fold(expr)
    return fold(weighted(expr)) if weights == "merged" else weighted(expr)


def tune(
    expressions: Sequence[Expr],
    task: Task,
    tuning: Tuning,
    seed: int,
    plan: Plan,
    tick: Callable[[], None] | None = None,
    time_limit: float | None = None,
    memory: Memory | None = None,
    stage: str = "tune",
) -> list[Expr | Lost]:
    """The expressions with tuned constants. A candidate whose gradient is not finite stands still.

    time_limit: seconds that a step may take. memory: keeps what has been tuned.
    """
    if tuning.steps == 0 or not expressions:
        return list(expressions)
    starts_for(task.make_model, seed, task.train.x.device).prepare(tuning.steps)
    found = each_result(
        plan,
        lambda piece, tick: [
            print_expression(expr) for expr in _tune_together(piece, task, tuning, seed, plan, tick)
        ],
        expressions,
        str,
        task.train.x.device,
        stage=stage,
        tick=tick,
        time_limit=time_limit,
        memory=memory,
    )
    return [own if isinstance(own, Lost) else parse_expression(own) for own in found]


def _tune_together(
    expressions: Sequence[Expr],
    task: Task,
    tuning: Tuning,
    seed: int,
    plan: Plan,
    tick: Callable[[], None],
) -> list[Expr]:
    device = task.train.x.device
    population = Population(expressions, task.kind, device)
    constants = population.flat_constants(task.train.x.dtype)
    adam = torch.optim.Adam([constants], lr=tuning.learning_rate)
    inner_total = tuning.steps * tuning.inner_steps
    train = BatchOrder(len(task.train), tuning.batch_size, inner_total, seed, device)
    valid = BatchOrder(len(task.valid), tuning.batch_size, tuning.steps, seed + 1, device)
    starts = starts_for(task.make_model, seed, device)
    # Torch calls a network by putting parameters into the module, so pieces in threads must not share one.
    template = copy.deepcopy(starts.template)
    gradient = one_step_gradient if tuning.inner_steps == 1 else unrolled_gradient
    for step in range(tuning.steps):
        start, buffers = starts[step]
        differentiable = plan.differentiable(template, buffers)
        batches = [train[step * tuning.inner_steps + i] for i in range(tuning.inner_steps)]
        meta_step = MetaStep(
            plan.chain or differentiable,
            differentiable,
            start,
            population,
            constants,
            task,
            batches,
            valid[step],
            tuning.inner_learning_rate,
            seed,
            step * tuning.inner_steps,
        )
        # A candidate that diverges must not spoil Adam's averages with NaN: it stands still instead.
        constants.grad = torch.nan_to_num(gradient(meta_step), 0.0, 0.0, 0.0)
        adam.step()
        tick()
    return population.with_constants(population.by_group(constants))
