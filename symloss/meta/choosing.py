"""The fastest plan for networks of one kind, found by measuring on the machine at hand."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from symloss.errors import ConfigError, SymlossWarning, TaskError
from symloss.meta.graphs import recorder_for, with_graphs
from symloss.meta.lockstep import seeded_model, seeded_networks
from symloss.meta.plan import Plan
from symloss.meta.settings import Training
from symloss.networks import Separate, as_chain, can_be_traced
from symloss.tasks.task import Task
from symloss.workers import one_thread

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
        task.make_model,
        tuple(x.shape),
        x.dtype,
        x.device,
        training.network,
        training.models_at_once,
        training.cuda_graphs,
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
    graphs: bool,
) -> Plan:
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    sizes = (at_once,) if at_once else SIZES.get(device.type, SIZES["cuda"])
    rules = _rules(make_model, x[:2], network, device)
    recorder = recorder_for(device) if graphs else None
    if graphs and recorder is None:
        told = f"CUDA graphs are not used: there are none on the device '{device}'"
        warnings.warn(told, SymlossWarning, stacklevel=2)
    if recorder:
        recorded = with_graphs(rules, make_model, x.to(device), recorder)
        settled = network != "auto" and at_once is not None
        rules = recorded if settled and recorded else [*rules, *recorded]
    plans = [replace(own, at_once=size) for own in rules for size in (sizes[:1] if own.separate else sizes)]
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
                smallest = next(other for other in plans if _alike(other, plan))
                if plan is not smallest and times[smallest] > LONG:
                    continue
                seconds = _seconds(make_model, x, plan) / plan.at_once
                times[plan] = min(times.get(plan, math.inf), seconds)
    best = plans[0]
    for plan, seconds in times.items():
        if seconds < CLEARLY * times[best]:
            best = plan
    return best


def _alike(one: Plan, other: Plan) -> bool:
    """Whether plans differ in the number of networks alone."""
    return replace(one, at_once=other.at_once) == other


def _seconds(make_model: Callable[[], nn.Module], x: Tensor, plan: Plan) -> float:
    """Time of one forward and backward pass of as many networks as the plan trains at once."""
    network, parameters = seeded_networks(make_model, [0] * plan.at_once, x.device, plan.network)
    for _ in range(2):  # the first one warms up
        _wait(x.device)
        began = time.perf_counter()
        forward = network.run(parameters, x)
        forward.backward(torch.ones_like(forward.outputs))
        _wait(x.device)
        del forward  # a pass that is alive keeps what was recorded for it from the next
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
