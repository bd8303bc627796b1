"""How a task is learned from a support set: a function of what was learned over tasks.

Everything that is learned over tasks is one flat dictionary, the meta-parameters:

    start.<name>  the initialisation. What is changed while a task is learned starts here.
    warp.<name>   the warp layers
    loss.<name>   the loss networks
    rate.<name>   learning rates, for Meta-SGD

Names of the initialisation are those of `Backbone`, and `head.weight`, `head.bias`; for the cone these are
one vector (features,) and one number, which are repeated for every class in here, as a function, so that they
have their meta-gradient.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad
from torch.nn import functional

from symloss.fewshot.backbones import SMALL, Backbone
from symloss.fewshot.metal import Metal
from symloss.fewshot.objective import Objective, task_losses
from symloss.fewshot.settings import Settings
from symloss.networks.randomness import seeded, step_seed
from symloss.records import Kind

Parameters = dict[str, Tensor]


def group(parameters: Mapping[str, Tensor], name: str) -> Parameters:
    """The parameters of a group, without its name before theirs."""
    return {key[len(name) + 1 :]: value for key, value in parameters.items() if key.startswith(name + ".")}


def named(name: str, parameters: Mapping[str, Tensor]) -> Parameters:
    """The opposite of `group`."""
    return {f"{name}.{key}": value for key, value in parameters.items()}


@dataclass(frozen=True)
class State:
    """Where the learning of a task stands: weights, and momentum, with the same names (empty without it)."""

    weights: Parameters
    velocity: Parameters


class Learner:
    """Learns tasks of one form. It holds no parameters: they are arguments everywhere."""

    def __init__(self, settings: Settings, shape: tuple[int, ...], kind: Kind, outputs: int) -> None:
        """shape: of one input. outputs: classes of a task, or numbers predicted. Raises TaskError."""
        self.settings, self.kind, self.outputs = settings, kind, outputs
        with seeded() as seed:
            seed(step_seed(settings.seed, 0))
            self.backbone = Backbone(shape, settings.network)
            tensors = sum(not self._is_warp(n) for n in self._free_names()) + 2
            self.objective: Objective | Metal | None = None
            if settings.loss.metal:
                self.objective = Metal(kind, outputs, tensors, settings.inner.steps)
            else:
                self.objective = Objective(settings.loss, kind, outputs, tensors, settings.network.film)
        loss = settings.loss
        self.looks_at_query = loss.metal or loss.transductive or settings.network.statistics == "joint"
        self.wants_scores = loss.transductive and kind is Kind.MULTICLASS

    def _free_names(self) -> list[str]:
        """Names of the backbone's parameters that are not frozen."""
        first = {f"blocks.{i}" for i in range(self.settings.network.frozen)}
        names = (name for name, _ in self.backbone.named_parameters())
        return [name for name in names if ".".join(name.split(".")[:2]) not in first]

    @staticmethod
    def _is_warp(name: str) -> bool:
        return name.startswith("warps.")

    def initial(self) -> tuple[Parameters, Parameters]:
        """Meta-parameters and frozen ones, from the seed."""
        free = set(self._free_names())
        values: Parameters = dict(self.backbone.named_parameters())
        start: Parameters = {n: values[n] for n in values if n in free and not self._is_warp(n)}
        generator = torch.Generator().manual_seed(step_seed(self.settings.seed, 1))
        cone = self.settings.network.head == "cone"
        shape = (self.backbone.width,) if cone else (self.outputs, self.backbone.width)
        start["head.weight"] = torch.randn(shape, generator=generator) * SMALL
        start["head.bias"] = torch.zeros(shape[:-1])
        found = named("start", start) | named("warp", {n: values[n] for n in free if self._is_warp(n)})
        if self.objective is not None:
            found |= named("loss", dict(self.objective.named_parameters()))
        if self.settings.inner.rates == "learned":
            rate = self.settings.inner.rate
            found |= named("rate", {n: torch.full_like(v, rate) for n, v in start.items()})
        frozen = {n: v for n, v in values.items() if n not in free}
        return (
            {n: found[n].detach().clone() for n in sorted(found)},
            {n: v.detach() for n, v in frozen.items()},
        )

    def started(self, meta: Parameters) -> State:
        """The state of every task before it is learned."""
        weights = group(meta, "start")
        if self.settings.network.head == "cone":
            weights["head.weight"] = weights["head.weight"].expand(self.outputs, -1)
            weights["head.bias"] = weights["head.bias"].expand(self.outputs)
        momentum = self.settings.inner.momentum > 0
        return State(weights, {n: torch.zeros_like(v) for n, v in weights.items()} if momentum else {})

    def encoded(self, frozen: Parameters, task: Parameters) -> Parameters:
        """The task as its frozen blocks show it. Tasks do not change that, so it is computed once."""
        count = self.settings.network.frozen
        if count == 0:
            return task
        values = dict(task)
        names = ("support_x", "query_x")
        for name, value in zip(
            names, self._pair(task, lambda x: self._run(frozen, x, 0, count)), strict=True
        ):
            values[name] = value
        return values

    def _pair(self, task: Parameters, function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """A function of the support and the query set, by the convention of batch statistics."""
        support, query = task["support_x"], task["query_x"]
        if self.settings.network.statistics == "separate":
            return function(support), function(query)
        both = function(torch.cat([support, query]))
        return both[: len(support)], both[len(support) :]

    def _run(self, parameters: Parameters, x: Tensor, begin: int, end: int | None) -> Tensor:
        found: Tensor = functional_call(self.backbone, parameters, (x, begin, end))
        return found

    def outputs_of(self, weights: Parameters, meta: Parameters, x: Tensor) -> Tensor:
        """Outputs (n, N) for encoded inputs."""
        body = {n: v for n, v in weights.items() if not n.startswith("head.")} | group(meta, "warp")
        with self._precision(x):
            features = self._run(body, x, self.settings.network.frozen, None)
            found = functional.linear(features, weights["head.weight"], weights["head.bias"])
        return found.to(x.dtype)

    def _precision(self, x: Tensor) -> contextlib.AbstractContextManager[object]:
        if self.settings.outer.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(x.device.type, torch.bfloat16)

    def both(self, weights: Parameters, meta: Parameters, task: Parameters) -> tuple[Tensor, Tensor]:
        """Outputs for the support and the query set."""
        return self._pair(task, lambda x: self.outputs_of(weights, meta, x))

    def inner_loss(self, weights: Parameters, meta: Parameters, task: Parameters, step: int) -> Tensor:
        """What the inner step number `step` makes smaller: a scalar."""
        query: Tensor | None = None
        if self.looks_at_query:
            support, query = self.both(weights, meta, task)
        else:
            support = self.outputs_of(weights, meta, task["support_x"])
        targets = task["support_y"]
        own = task_losses(support, targets, self.kind).mean()
        learned = group(meta, "loss")
        found = own if self.settings.loss.residual else torch.zeros_like(own)
        if not learned:
            return found
        assert self.objective is not None
        arguments: tuple[Any, ...] = (support, targets, query, task.get("scores"), weights)
        if isinstance(self.objective, Metal):
            arguments = (step, own, support, targets, query, weights)
        part: Tensor = functional_call(self.objective, learned, arguments)
        return found + part

    def step(self, state: State, meta: Parameters, task: Parameters, number: int) -> State:
        """One inner step."""
        inner = self.settings.inner
        at = state.weights if inner.order == 2 else {n: v.detach() for n, v in state.weights.items()}
        slopes = grad(self.inner_loss)(at, meta, task, number)
        rates = group(meta, "rate")
        weights, velocity = {}, {}
        for name, weight in state.weights.items():
            slope = slopes[name] + inner.decay * weight if inner.decay else slopes[name]
            if inner.momentum:
                velocity[name] = inner.momentum * state.velocity[name] + slope
                slope = slope + inner.momentum * velocity[name]
            weights[name] = weight - rates.get(name, inner.rate) * slope
        return State(weights, velocity)

    def learned(self, meta: Parameters, task: Parameters) -> Parameters:
        """The weights after all inner steps."""
        state = self.started(meta)
        for number in range(self.settings.inner.steps):
            state = self.step(state, meta, task, number)
        return state.weights

    def outer_loss(self, weights: Parameters, meta: Parameters, task: Parameters) -> Tensor:
        """How badly learned weights do: the task's own loss on the query set, or on both sets."""
        if self.settings.outer.loss == "both":
            support, query = self.both(weights, meta, task)
            outputs, targets = torch.cat([support, query]), torch.cat([task["support_y"], task["query_y"]])
        else:
            outputs, targets = self.query_outputs(weights, meta, task), task["query_y"]
        return task_losses(outputs, targets, self.kind).mean()

    def query_outputs(self, weights: Parameters, meta: Parameters, task: Parameters) -> Tensor:
        """Outputs (n, N) for the query set."""
        if self.settings.network.statistics == "joint":
            return self.both(weights, meta, task)[1]
        return self.outputs_of(weights, meta, task["query_x"])

    def error(self, meta: Parameters, task: Parameters) -> Tensor:
        """The share of wrong classes on the query set, or the mean squared error, after learning the task."""
        outputs = self.query_outputs(self.learned(meta, task), meta, task)
        if self.kind is Kind.MULTICLASS:
            return (outputs.argmax(1) != task["query_y"]).to(outputs.dtype).mean()
        return (outputs - task["query_y"]).square().mean()
