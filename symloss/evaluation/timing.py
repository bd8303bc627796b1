"""How long one training step takes under each loss, all measured in turns so that noise meets them alike."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import torch

from symloss.losses.function import Loss
from symloss.meta.choosing import plan_for
from symloss.meta.online.mixed import MixedHeat
from symloss.meta.settings import Training
from symloss.meta.training import Job
from symloss.tasks.task import Task
from symloss.workers import one_thread

ROUNDS, ROUND_SECONDS, ROUND_STEPS = 7, 0.02, 100
RATE = 1e-6
"""Too small to diverge: a network of numbers that are not finite may train at another speed."""


def step_seconds(task: Task, losses: Mapping[str, Loss], training: Training, seed: int) -> dict[str, float]:
    """Seconds of a training step of a single network under each loss, in one thread on a CPU.

    All of a step counts: forward and backward pass, loss, optimiser. The fastest of a few rounds is taken.
    """
    plan = plan_for(task, training)
    training = msgspec.structs.replace(training, steps=2 + ROUNDS * ROUND_STEPS)
    with one_thread():
        heats = {
            name: MixedHeat(task, [Job(loss, seed, RATE)], training, seed, plan)
            for name, loss in losses.items()
        }
        done = dict.fromkeys(heats, 0)

        def timed(name: str, steps: int) -> float:
            done[name] += steps
            began = time.perf_counter()
            heats[name].advance(done[name])
            if task.train.x.is_cuda:
                torch.cuda.synchronize(task.train.x.device)
            return (time.perf_counter() - began) / steps

        first = {name: min(timed(name, 1) for _ in range(2)) for name in heats}  # the very first one warms up
        steps = max(1, min(ROUND_STEPS, int(ROUND_SECONDS / max(first.values()))))
        rounds = [{name: timed(name, steps) for name in heats} for _ in range(ROUNDS)]
    return {name: min(own[name] for own in rounds) for name in heats}
