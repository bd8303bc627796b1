"""The course of training: steps of Adam, checkpoints on validation tasks, the best kept, exact resume.

A stage says what its gradients are; everything else is the same for encoders and for meta-training. What a
step looks at depends on its number alone, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from symloss.errors import RunError
from symloss.fewshot.learner import Parameters

PATIENCE = 50
"""Steps in a row whose gradients are not finite before training is given up."""

QUIET = 10.0
"""Seconds between two lines about progress."""


class Work(Protocol):
    """A stage of training."""

    name: str
    parameters: Parameters
    every: int

    def gradients(self, step: int) -> tuple[float, Parameters]:
        """The loss at `parameters`, and its gradient, of step number `step`."""
        ...

    def cost(self, parameters: Parameters) -> float:
        """What is wanted small, on validation tasks."""
        ...


@dataclass(frozen=True)
class Schedule:
    """Adam's steps, learning rate and its end, weight decay, and the norm that gradients are shortened to."""

    steps: int
    rate: float
    floor: float = 0.0
    decay: float = 0.0
    clip: float = 0.0

    def rate_at(self, step: int) -> float:
        """A cosine from `rate` to `floor`; a floor above the rate keeps the rate."""
        floor = min(self.floor, self.rate)
        return floor + (self.rate - floor) * (1 + math.cos(math.pi * step / self.steps)) / 2


@dataclass
class Saved:
    """Where a stage stands: finished steps, and what they left. JSON-like, but for tensors."""

    stage: str
    step: int
    parameters: Parameters
    optimiser: dict[str, Any]
    best: Parameters
    best_cost: float
    skipped: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def run_stage(
    work: Work,
    schedule: Schedule,
    saved: Saved | None,
    save: Callable[[Saved], None],
    say: Callable[[str], None],
    stop: Callable[[], bool],
) -> Saved:
    """Train to the end, or until `stop`: then `step` is less than the schedule's steps."""
    leaves = {n: v.detach().clone().requires_grad_() for n, v in work.parameters.items()}
    adam = torch.optim.Adam(list(leaves.values()), lr=schedule.rate, weight_decay=schedule.decay)
    if saved is None:
        saved = Saved(work.name, 0, work.parameters, adam.state_dict(), work.parameters, math.inf)
    with torch.no_grad():
        for name, leaf in leaves.items():
            leaf.copy_(saved.parameters[name])
    adam.load_state_dict(saved.optimiser)
    clock = _Clock(work.name, saved.step, schedule.steps, say)
    while saved.step < schedule.steps:
        if stop():
            save(_kept(saved, leaves, adam))
            return saved
        work.parameters = {n: v.detach() for n, v in leaves.items()}
        loss, gradients = work.gradients(saved.step)
        _apply(leaves, adam, gradients, schedule, saved)
        saved.step += 1
        clock.tell(saved.step, loss)
        if saved.step % work.every == 0 or saved.step == schedule.steps:
            now = {n: v.detach().clone() for n, v in leaves.items()}
            cost = work.cost(now)
            saved.history.append({"step": saved.step, "loss": loss, "cost": cost})
            better = cost < saved.best_cost
            if better:
                saved.best, saved.best_cost = now, cost
            save(_kept(saved, leaves, adam))
            clock.tell(saved.step, loss, f"validation {cost:.4f}{' (best)' if better else ''}")
    return saved


def _apply(
    leaves: Parameters, adam: torch.optim.Adam, gradients: Parameters, schedule: Schedule, saved: Saved
) -> None:
    """One step of Adam; none if a number is not finite. Raises RunError after too many of those."""
    norm = torch.stack([g.square().sum() for g in gradients.values()]).sum().sqrt()
    if not torch.isfinite(norm):
        saved.skipped += 1
        if saved.skipped >= PATIENCE:
            raise RunError(
                f"the gradients of {PATIENCE} steps in a row are not finite at step {saved.step} of stage "
                f"'{saved.stage}'; lower inner.rate or outer.rate"
            )
        return
    saved.skipped = 0
    scale = min(1.0, schedule.clip / (norm.item() + 1e-12)) if schedule.clip else 1.0
    for name, leaf in leaves.items():
        leaf.grad = gradients[name] * scale
    for options in adam.param_groups:
        options["lr"] = schedule.rate_at(saved.step)
    adam.step()


def _kept(saved: Saved, leaves: Parameters, adam: torch.optim.Adam) -> Saved:
    saved.parameters = {n: v.detach().clone() for n, v in leaves.items()}
    saved.optimiser = adam.state_dict()
    return saved


class _Clock:
    """Says now and then how far training is, and how long the rest will take."""

    def __init__(self, stage: str, step: int, steps: int, say: Callable[[str], None]) -> None:
        self.stage, self.first, self.steps, self.say = stage, step, steps, say
        self.began = self.said = time.monotonic()

    def tell(self, step: int, loss: float, more: str = "") -> None:
        now = time.monotonic()
        if not more and now - self.said < QUIET:
            return
        self.said = now
        left = (now - self.began) / max(step - self.first, 1) * (self.steps - step)
        shown = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        parts = [f"{self.stage}: step {step} of {self.steps}", f"loss {loss:.4f}", more, f"{shown} left"]
        self.say(", ".join(part for part in parts if part))
