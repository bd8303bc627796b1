"""How networks of one kind are best trained here: by which rules, and how many in one step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from symloss.errors import ConfigError, TaskError
from symloss.meta.lockstep import seeded_model, seeded_networks
from symloss.meta.settings import Training
from symloss.networks import (
    Chain,
    Differentiable,
    Network,
    Parameters,
    Separate,
    Traced,
    as_chain,
    can_be_traced,
)
from symloss.tasks.task import Task
from symloss.workers import in_parallel, one_thread

T = TypeVar("T")
Result = TypeVar("Result")

SIZES = {"cpu": (2, 16), "cuda": (1, 16, 64, 256)}
"""How many networks at once are tried, by kind of device.

On a CPU more than a dozen gain nothing, and smaller pieces keep more cores busy. Two share the making ready
of a process, and the forward pass of tuning, where more would no longer fit into the processor's caches.
"""

LONG = 0.05
"""Seconds of a network's step above which nothing larger is tried: the arithmetic outweighs all else."""

TRIALS = 5

CLEARLY = 0.8
"""A later choice must take less than this share of the time: a slow moment of the machine must not decide."""


@dataclass(frozen=True)
class Plan:
    """chain: explicit rules of the network, or None for torch's own differentiation.

    at_once:  networks that take a step together; `pieces` divides work by it.
    tf32:     on CUDA, products may round their factors to 10 bits.
    separate: without explicit rules, one network after another instead of all batched.
    """

    chain: Chain | None
    at_once: int
    tf32: bool = False
    separate: bool = False

    @property
    def name(self) -> Literal["chain", "traced", "separate"]:
        """How networks compute, as `Training.network` has it."""
        return "chain" if self.chain else "separate" if self.separate else "traced"

    def network(self, template: nn.Module, buffers: Parameters) -> Network:
        """How networks with the structure of `template` compute; see `Separate` for the arguments."""
        return self.chain or self.differentiable(template, buffers)

    def differentiable(self, template: nn.Module, buffers: Parameters) -> Differentiable:
        """The same, where derivatives of any order are needed."""
        return (Separate if self.separate else Traced)(template, buffers)

    def in_pieces(
        self,
        work: Callable[[Sequence[T], Callable[[], None]], Result],
        items: Sequence[T],
        device: torch.device,
        tick: Callable[[], None] | None = None,
        each: int = 1,
    ) -> list[Result]:
        """`work(piece, tick)` of each of the `pieces`; see `in_parallel`."""
        with self.precision(device):
            return in_parallel(work, self.pieces(items, each), device, tick)

    def precision(self, device: torch.device) -> AbstractContextManager[None]:
        """Within the block, products are as exact as the plan says."""
        return _precision(device, self.tf32)

    def pieces(self, items: Sequence[T], each: int = 1) -> list[Sequence[T]]:
        """Consecutive pieces of nearly equal size, of at most `at_once` networks, for any number of cores.

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
    Raises: ConfigError if rules are demanded that do not suit the model; TaskError if a training pass of the
    model fails.
    """
    x = task.train.x[: training.batch_size]
    measured: Callable[..., Plan] = _plan
    if getattr(type(task.make_model), "__hash__", None) is None:  # then it is measured every time
        measured = _plan.__wrapped__
    plan = measured(
        task.make_model, tuple(x.shape), x.dtype, x.device, training.network, training.models_at_once
    )
    return replace(plan, tf32=True) if training.tf32 else plan


@lru_cache(maxsize=32)
def _plan(
    make_model: Callable[[], nn.Module],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
    network: str,
    at_once: int | None,
) -> Plan:
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    sizes = (at_once,) if at_once else SIZES.get(device.type, SIZES["cuda"])
    plans = [
        replace(rules, at_once=size)
        for rules in _rules(make_model, x[:2], network, device)
        for size in (sizes[:1] if rules.separate else sizes)
    ]
    if plans[-1].separate:
        _check_training(make_model, x)
    return plans[0] if len(plans) == 1 else _fastest(plans, make_model, x.to(device))


def _rules(make_model: Callable[[], nn.Module], x: Tensor, network: str, device: torch.device) -> list[Plan]:
    """What suits the model, as plans for one network; x: a few inputs."""
    model = seeded_model(make_model, 0)
    separate, traced = Plan(None, 1, separate=True), Plan(None, 1)
    if network == "separate":
        return [separate]
    chain = None if network == "traced" else as_chain(model, x)
    if chain is not None:
        # On a CPU explicit rules have always been faster. Elsewhere one network's layers may be better
        # batched by torch's transforms, as stacked convolutions are.
        return [Plan(chain, 1)] if device.type == "cpu" or network == "chain" else [Plan(chain, 1), traced]
    if network == "chain":
        raise ConfigError(
            "setting 'training.network' is chain, but the base model is no chain of layers with explicit "
            "rules; use auto, traced or separate"
        )
    batched = can_be_traced(model, x)
    if network == "traced":
        if not batched:
            raise ConfigError(
                "setting 'training.network' is traced, but torch cannot batch the base model: it has "
                "dropout, running statistics, or another operation that vmap refuses; use auto or separate"
            )
        return [traced]
    if not batched:
        return [separate]
    # Stacked convolutions are grouped ones, which on a CPU can be slower than one after another.
    return [traced, separate] if device.type == "cpu" else [traced]


def _check_training(make_model: Callable[[], nn.Module], x: Tensor) -> None:
    """Raise TaskError if a pass in training mode fails, as batch normalisation does for a single sample."""
    network, parameters = seeded_networks(make_model, [0], x.device, Separate)
    try:
        network.run(parameters, x)
    except Exception as error:  # a stranger's module may fail in any way
        raise TaskError(
            f"the base model fails in training mode on batches of shape {tuple(x.shape)}: "
            f"{type(error).__name__}: {error}; correct the model or change training.batch_size"
        ) from error


def _fastest(plans: Sequence[Plan], make_model: Callable[[], nn.Module], x: Tensor) -> Plan:
    """The first plan, or a later one that is clearly faster than those before it.

    They are timed in turn, and the shortest time counts: a slow moment of the machine hits all of them,
    and the first calls, when libraries are still making ready, none.
    """
    times: dict[Plan, float] = {}
    with one_thread():
        for _ in range(TRIALS):
            for plan in plans:
                smallest = next(other for other in plans if other.name == plan.name)
                if plan is not smallest and times[smallest] > LONG:
                    continue
                seconds = _seconds(make_model, x, plan) / plan.at_once
                times[plan] = min(times.get(plan, math.inf), seconds)
    best = plans[0]
    for plan, seconds in times.items():
        if seconds < CLEARLY * times[best]:
            best = plan
    return best


def _seconds(make_model: Callable[[], nn.Module], x: Tensor, plan: Plan) -> float:
    """Time of one forward and backward pass of as many networks as the plan trains at once."""
    network, parameters = seeded_networks(make_model, [0] * plan.at_once, x.device, plan.network)
    for _ in range(2):  # the first one warms up
        _wait(x.device)
        began = time.perf_counter()
        forward = network.run(parameters, x)
        forward.backward(torch.ones_like(forward.outputs))
        _wait(x.device)
    return time.perf_counter() - began


@contextmanager
def _precision(device: torch.device, tf32: bool) -> Iterator[None]:
    """On CUDA, whether float32 products may be in TF32. By itself torch allows it to convolutions alone."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
