"""Tuning by differentiating through training: EvoMAL's local search of constants, and ML3 of loss networks.

One meta step: a fresh network takes one training step under the loss; the task loss of the stepped
network on validation data is differentiated with respect to what is tuned in the loss; Adam moves it.
How that derivative is found is in `meta_gradient`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from symloss.expr import Expr, fold, merged_weights, parse_expression, print_expression, weighted
from symloss.losses.population import Population
from symloss.losses.tunable import Tunable
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
    return merged_weights(expr) if weights == "merged" else weighted(expr)


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
    population = Population(expressions, task.kind, task.train.x.device)
    tuner = Tuner(population, population.constants(task.train.x.dtype), task, tuning, seed, plan)
    tuner.advance(tuning.steps, tick)
    return population.with_constants(tuner.constants)


class Tuner:
    """Tuning on its way: `constants` are what is tuned, and `done` counts meta steps."""

    def __init__(
        self, losses: Tunable, constants: Tensor, task: Task, tuning: Tuning, seed: int, plan: Plan
    ) -> None:
        device = task.train.x.device
        self.constants, self.done = constants, 0
        self._losses, self._task, self._tuning, self._seed, self._plan = losses, task, tuning, seed, plan
        self._adam = torch.optim.Adam([constants], lr=tuning.learning_rate)
        inner_total = tuning.steps * tuning.inner_steps
        self._train = BatchOrder(len(task.train), tuning.batch_size, inner_total, seed, device)
        self._valid = BatchOrder(len(task.valid), tuning.batch_size, tuning.steps, seed + 1, device)
        self._starts = starts_for(task.make_model, seed, device)
        # Torch calls a network by putting parameters into the module: pieces in threads must not share one.
        self._template = copy.deepcopy(self._starts.template)

    def advance(self, steps: int, tick: Callable[[], None]) -> None:
        """Tune until `steps` meta steps are done in all."""
        gradient = one_step_gradient if self._tuning.inner_steps == 1 else unrolled_gradient
        for step in range(self.done, steps):
            # A candidate that diverges must not spoil Adam's averages with NaN: it stands still instead.
            self.constants.grad = torch.nan_to_num(gradient(self._meta_step(step)), 0.0, 0.0, 0.0)
            self._adam.step()
            tick()
        self.done = max(steps, self.done)

    def _meta_step(self, step: int) -> MetaStep:
        start, buffers = self._starts[step]
        differentiable = self._plan.differentiable(self._template, buffers)
        inner = self._tuning.inner_steps
        return MetaStep(
            self._plan.prepared or differentiable,
            differentiable,
            start,
            self._losses,
            self.constants,
            self._task,
            [self._train[step * inner + i] for i in range(inner)],
            self._valid[step],
            self._tuning.inner_learning_rate,
            self._seed,
            step * inner,
        )

    def state(self) -> dict[str, Any]:
        """Where the tuning stands, as tensors and plain values."""
        return {"done": self.done, "constants": self.constants, "adam": self._adam.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a tuner that was made alike."""
        self.done = int(state["done"])
        self.constants.copy_(state["constants"])
        self._adam.load_state_dict(state["adam"])
