"""How networks of one kind are best trained here: by which rules, and how many in one batched step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from symloss.errors import ConfigError
from symloss.meta.lockstep import seeded_model, seeded_networks
from symloss.meta.settings import Training
from symloss.networks import Chain, as_chain
from symloss.tasks.task import Task
from symloss.workers import one_thread

T = TypeVar("T")

SIZES = {"cpu": (1, 16), "cuda": (1, 16, 64, 256)}
"""How many networks at once are tried, by kind of device.

On a CPU more than a dozen gain nothing, and smaller pieces keep more cores busy.
"""

LONG = 0.05
"""Seconds of one network's step above which nothing larger is tried: the arithmetic outweighs all else."""

TRIALS = 3


@dataclass(frozen=True)
class Plan:
    """chain: explicit rules of the network, or None for torch's own differentiation.

    at_once: networks in one batched step; `pieces` divides work by it.
    """

    chain: Chain | None
    at_once: int

    def pieces(self, items: Sequence[T], each: int = 1) -> list[Sequence[T]]:
        """Consecutive pieces of nearly equal size, at most `at_once` networks: the same on every machine.

        Their number is even where it can be, so that two cores are equally busy.
        each: networks that belong to an item, and stay together.
        """
        count = math.ceil(len(items) / max(1, self.at_once // each))
        count = min(count + count % 2, len(items))
        ends = [len(items) * (i + 1) // max(count, 1) for i in range(count)]
        return [items[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def plan_for(task: Task, training: Training) -> Plan:
    """The fastest plan for a task's networks, measured once for each model and device.

    `training.network` and `training.models_at_once` take the choice away from the measurement.
    Raises: ConfigError if explicit rules are demanded and there are none for the model.
    """
    x = task.train.x[: training.batch_size]
    return _plan(
        task.make_model, tuple(x.shape), x.dtype, x.device, training.network, training.models_at_once
    )


@lru_cache(maxsize=32)
def _plan(
    make_model: Callable[[], nn.Module],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
    network: str,
    at_once: int | None,
) -> Plan:
    chain = None if network == "traced" else _chain(make_model, shape, dtype)
    if network == "chain" and chain is None:
        raise ConfigError(
            "setting 'training.network' is chain, but the base model is no chain of layers with explicit "
            "rules; use auto or traced"
        )
    # On a CPU explicit rules have always been faster. Elsewhere one network's layers may be better batched
    # by torch's transforms, as stacked convolutions are.
    rules = [chain] if device.type == "cpu" or network == "chain" or chain is None else [chain, None]
    if at_once is not None and len(rules) == 1:
        return Plan(rules[0], at_once)
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0)).to(device)
    timed: list[tuple[float, Plan]] = []
    for rule in rules:
        for size in (at_once,) if at_once else SIZES.get(device.type, SIZES["cuda"]):
            seconds = _seconds(make_model, x, Plan(rule, size))
            timed.append((seconds / size, Plan(rule, size)))
            if seconds > LONG:
                break
    return min(timed, key=lambda entry: entry[0])[1]


def _chain(make_model: Callable[[], nn.Module], shape: tuple[int, ...], dtype: torch.dtype) -> Chain | None:
    probe = torch.randn(2, *shape[1:], dtype=dtype, generator=torch.Generator().manual_seed(0))
    return as_chain(seeded_model(make_model, 0), probe)


def _seconds(make_model: Callable[[], nn.Module], x: Tensor, plan: Plan) -> float:
    """Time of one forward and backward pass of as many networks as the plan trains at once."""
    network, parameters = seeded_networks(make_model, [0] * plan.at_once, x.device, plan.chain)
    best = math.inf
    with one_thread():
        for _ in range(TRIALS + 1):  # the first one warms up
            _wait(x.device)
            began = time.perf_counter()
            forward = network.run(parameters, x)
            forward.backward(torch.ones_like(forward.outputs))
            _wait(x.device)
            best = min(best, time.perf_counter() - began)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
