"""Gradients with respect to what is learned over tasks, for a few tasks at a time.

Tasks are batched by `torch.func.vmap`, or one after another. Memory is that of all inner steps, or of one:
with `recompute` states are kept, and every step is computed a second time when its turn comes backwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from symloss.fewshot.learner import Learner, Parameters, State

TRIALS = 3
CLEARLY = 0.8
"""Batching is given up where it takes more than this share of the time the other way round."""


def meta_gradient(
    learner: Learner, meta: Parameters, tasks: Parameters, batched: bool, recompute: bool
) -> tuple[float, Parameters]:
    """The mean outer loss over tasks, and its gradient with the names of `meta`.

    tasks: as `Learner` takes them, each tensor with a first dimension for tasks.
    """
    count = len(tasks["support_x"])
    of_one = _swept if recompute else _unrolled
    if batched:
        return of_one(learner, meta, tasks, _over_tasks)
    loss, found = 0.0, {name: torch.zeros_like(value) for name, value in meta.items()}
    for i in range(count):
        one, part = of_one(learner, meta, {n: v[i] for n, v in tasks.items()}, _alone)
        loss += one / count
        found = {name: value + part[name] / count for name, value in found.items()}
    return loss, found


Mapping = Callable[[Callable[..., Any], tuple[int | None, ...]], Callable[..., Any]]


def _over_tasks(function: Callable[..., Any], dims: tuple[int | None, ...]) -> Callable[..., Any]:
    return vmap(function, in_dims=dims)


def _alone(function: Callable[..., Any], dims: tuple[int | None, ...]) -> Callable[..., Any]:
    return function


def _unrolled(
    learner: Learner, meta: Parameters, tasks: Parameters, over: Mapping
) -> tuple[float, Parameters]:
    """Backwards through all inner steps at once."""
    with torch.enable_grad():
        leaves = _leaves(meta)

        def loss_of(task: Parameters) -> Tensor:
            return learner.outer_loss(learner.learned(leaves, task), leaves, task)

        loss = over(loss_of, (0,))(tasks).mean()
        return loss.item(), _gradients(loss, leaves)


def _swept(learner: Learner, meta: Parameters, tasks: Parameters, over: Mapping) -> tuple[float, Parameters]:
    """Backwards through one inner step after another, each computed again."""

    def first(leaves: Parameters, task: Parameters) -> tuple[Parameters, Parameters]:
        state = learner.started(leaves)
        return state.weights, state.velocity

    def later(
        weights: Parameters, velocity: Parameters, leaves: Parameters, task: Parameters, number: int
    ) -> tuple[Parameters, Parameters]:
        state = learner.step(State(weights, velocity), leaves, task, number)
        return state.weights, state.velocity

    def end(weights: Parameters, leaves: Parameters, task: Parameters) -> Tensor:
        return learner.outer_loss(weights, leaves, task)

    begin, forward = over(first, (None, 0)), over(later, (0, 0, None, 0, None))
    with torch.no_grad():
        states = [begin(meta, tasks)]
        for number in range(learner.settings.inner.steps):
            states.append(forward(*states[-1], meta, tasks, number))
    with torch.enable_grad():
        leaves, weights = _leaves(meta), _leaves(states[-1][0])
        loss = over(end, (0, None, 0))(weights, leaves, tasks).mean()
        found = _gradients(loss, leaves | named_apart(weights))
        pull = {n: found.pop(_apart(n)) for n in weights}
        turn = {n: torch.zeros_like(v) for n, v in states[-1][1].items()}
        for number in reversed(range(learner.settings.inner.steps)):
            leaves, weights, velocity = _leaves(meta), _leaves(states[number][0]), _leaves(states[number][1])
            after = forward(weights, velocity, leaves, tasks, number)
            total = _product(after, (pull, turn))
            inputs = leaves | named_apart(weights) | {f"v{_apart(n)}": v for n, v in velocity.items()}
            part = _gradients(total, inputs)
            pull = {n: part[_apart(n)] for n in weights}
            turn = {n: part[f"v{_apart(n)}"] for n in velocity}
            _add(found, {n: part[n] for n in meta})
        leaves = _leaves(meta)
        _add(found, _gradients(_product(begin(leaves, tasks), (pull, turn)), leaves))
    return loss.item(), found


def _apart(name: str) -> str:
    return f"w:{name}"


def named_apart(weights: Parameters) -> Parameters:
    """Weights under names that no meta-parameter has."""
    return {_apart(name): value for name, value in weights.items()}


def _leaves(parameters: Parameters) -> Parameters:
    return {n: v.detach().requires_grad_() for n, v in parameters.items()}


def _product(values: Iterable[Parameters], factors: Iterable[Parameters]) -> Tensor:
    """The sum of all products: its gradient pulls `factors` back."""
    pairs = [(v[n], f[n]) for v, f in zip(values, factors, strict=True) for n in v]
    return torch.stack([(value * factor).sum() for value, factor in pairs]).sum()


def _gradients(loss: Tensor, parameters: Parameters) -> Parameters:
    """Zero where the loss does not depend on a parameter."""
    if not loss.requires_grad:
        return {n: torch.zeros_like(v) for n, v in parameters.items()}
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {
        n: torch.zeros_like(v) if g is None else g
        for (n, v), g in zip(parameters.items(), found, strict=True)
    }


def _add(into: Parameters, more: Parameters) -> None:
    for name, value in more.items():
        into[name] = into[name] + value


@torch.no_grad()
def errors_of(learner: Learner, meta: Parameters, tasks: Parameters, batched: bool) -> Tensor:
    """The error of each task after learning it (tasks,)."""
    meta = {n: v.detach() for n, v in meta.items()}
    if batched:
        found: Tensor = vmap(lambda task: learner.error(meta, task))(tasks)
        return found
    count = len(tasks["support_x"])
    return torch.stack([learner.error(meta, {n: v[i] for n, v in tasks.items()}) for i in range(count)])


def batching_pays(learner: Learner, meta: Parameters, tasks: Parameters, recompute: bool) -> bool:
    """Whether a batched meta step is not clearly slower here than tasks one after another: measured.

    On a CPU, batched convolutions become grouped ones, which can be slow.
    """
    seconds = {True: math.inf, False: math.inf}
    for _ in range(TRIALS):
        for batched in (True, False):
            began = time.perf_counter()
            meta_gradient(learner, meta, tasks, batched, recompute)
            if tasks["support_x"].is_cuda:
                torch.cuda.synchronize()
            seconds[batched] = min(seconds[batched], time.perf_counter() - began)
    return seconds[False] >= CLEARLY * seconds[True]
