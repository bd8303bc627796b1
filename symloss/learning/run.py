"""The learning of a loss from start to end: meta-training, then a base network trained under it.

Both parts are saved now and then, and a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from symloss.archive.changes import answer_changes
from symloss.archive.holding import held, make_folder
from symloss.archive.learned import LearnedFolder, Snapshot
from symloss.errors import RunError, StoppedError
from symloss.escaping import pasted
from symloss.learning.record import changes_since, config_of, record_of, settled
from symloss.learning.settings import LearnConfig
from symloss.learning.visits import VisitCounter
from symloss.losses.function import OnlineLoss
from symloss.losses.neural.imitation import usual_weights
from symloss.losses.neural.network import LossNetwork, initial_weights
from symloss.losses.neural.stacked import stacked
from symloss.making import check_metric, digest_of, metric_of, task_of
from symloss.meta.choosing import plan_for
from symloss.meta.online.heat import OnlineHeat
from symloss.meta.settings import Tuning, as_measured
from symloss.meta.training import Job
from symloss.meta.tuning import Tuner
from symloss.places import relocated
from symloss.reading.tensors import tensors_in
from symloss.report.learned import elementwise, moment
from symloss.report.tensorboard import log_scalars
from symloss.tasks import Task
from symloss.workers import one_thread

SAVES = 20
"""How often meta-training is saved on the way."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Learned:
    """How a run ended: the base network's validation cost under the learned loss, and the last snapshot."""

    metric: str
    cost: float
    snapshot: Snapshot


class LearningRun:
    """One run: its parts, and where it stands.

    stop: asked before each step; once it says True, where the run stands is saved, and StoppedError raised.
    """

    def __init__(
        self,
        config: LearnConfig,
        task: Task,
        folder: LearnedFolder | None = None,
        say: Say = lambda line: None,
        tick: Callable[[], None] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config, self.task, self.folder = config, task, folder
        self._say, self._tick, self._stop = say, tick, stop
        self._plan = plan_for(task, config.training)
        assert config.training.learning_rate is not None
        tuning = Tuning(
            steps=max(1, config.offline.steps),
            learning_rate=config.offline.learning_rate,
            inner_steps=config.offline.inner_steps,
            inner_learning_rate=config.training.learning_rate,
            batch_size=config.training.batch_size,
        )
        losses = stacked(1, task.kind, config.loss_network)
        self.tuner = Tuner(losses, self._first_weights(), task, tuning, config.seed, self._plan)
        self.heat: OnlineHeat | None = None
        self._visits = VisitCounter(task.kind)
        self._began = time.monotonic()

    def _first_weights(self) -> Tensor:
        """Of the loss before anything is learned: (1, size)."""
        config, x, network = self.config, self.task.train.x, self.config.loss_network
        if network is None:
            return torch.ones(1, 1, dtype=x.dtype, device=x.device)
        if config.offline.start == "usual":
            weights = usual_weights(self.task.kind, self.task.num_outputs, network, config.seed)
        else:
            weights = initial_weights(network, torch.Generator().manual_seed(config.seed))
        return weights[None].to(x)

    def run(self) -> Learned:
        """Learn to the end."""
        with one_thread():
            self._meta_train()
            heat = self.heat or self._new_heat()
            self._train(heat)
            metric = metric_of(self.config, self.task)
            (cost,) = metric.batched(heat.outputs(self.task.valid), self.task.valid.y).tolist()
        last = self._snapshot(heat)
        self._event("finished", metric=metric.name, validation=cost if math.isfinite(cost) else None)
        self._say(f"a network trained under it: validation {metric.name} {cost:.4g}")
        return Learned(metric.name, cost, last)

    def _meta_train(self) -> None:
        steps = self.config.offline.steps
        stride = max(1, steps // SAVES)
        while self.tuner.done < steps:
            self._advance(self.tuner, min(steps, self.tuner.done + stride))
            self._save()
            self._say(f"meta-training: {self.tuner.done} of {steps} steps")

    def _advance(self, part: Tuner | OnlineHeat, end: int) -> None:
        for step in range(part.done + 1, end + 1):
            if self._stop():
                self._save()
                raise StoppedError
            part.advance(step, self._tick)

    def _new_heat(self) -> OnlineHeat:
        """The base network's training, and the first snapshot: the loss that it begins with."""
        config = self.config
        weights = tuple(self.tuner.constants[0].tolist())
        rate = config.adaptation.rate if config.online else 0.0
        loss = OnlineLoss(config.method, config.loss_network, weights, rate, config.adaptation.batch)
        self.heat = self._heat_of(loss)
        if config.online:
            self._add(self._snapshot(self.heat))
        self._save()
        return self.heat

    def _heat_of(self, loss: OnlineLoss) -> OnlineHeat:
        training = self.config.training
        assert training.learning_rate is not None
        job = Job(loss, self.config.seed, training.learning_rate)
        return OnlineHeat(self.task, [job], training, self.config.seed, self._plan, self._visits.add)

    def _train(self, heat: OnlineHeat) -> None:
        config, steps = self.config, self.config.training.steps
        # A loss that is frozen is kept once, at the end, with where training was all the way.
        count = config.snapshots if config.online else 1
        for step in sorted({max(1, round(steps * (i + 1) / count)) for i in range(count)}):
            if step <= heat.done:
                continue
            self._advance(heat, step)
            self._add(self._snapshot(heat, with_visits=True))
            self._save()
            self._say(f"training: {step} of {steps} steps")

    def _snapshot(self, heat: OnlineHeat, with_visits: bool = False) -> Snapshot:
        visits = self._visits.taken() if with_visits else None
        done, steps = heat.done, self.config.training.steps
        return Snapshot(done, done / steps, tuple(heat.weights[0].tolist()), visits)

    def _add(self, snapshot: Snapshot) -> None:
        if self.folder is not None:
            self.folder.add_snapshots([snapshot])
            log_scalars(self.folder.path, self._implied(snapshot))

    def _implied(self, snapshot: Snapshot) -> list[tuple[str, int, float]]:
        """What a snapshot's loss does, as numbers over steps: as `symloss analyze` prints them."""
        settings = self.config.loss_network
        if settings is None:
            return [("learning rate, times the usual", snapshot.step, snapshot.weights[0])]
        outputs = self.task.num_outputs
        loss = elementwise(LossNetwork.of(snapshot.weights, self.task.kind, settings), outputs)
        now = moment(loss, outputs, snapshot.step, snapshot.progress)
        points = [("learning rate, times the usual", now.step, now.learning_rate)]
        if now.smoothing is not None:
            points.append(("label smoothing", now.step, now.smoothing))
        return points

    def _event(self, name: str, **facts: Any) -> None:
        if self.folder is not None:
            self.folder.add_event(name, seconds=round(time.monotonic() - self._began, 3), **facts)

    def _save(self) -> None:
        if self.folder is None:
            return
        state = {
            "length": self.folder.length(),
            "tuner": self.tuner.state(),
            "heat": None if self.heat is None else self.heat.state(),
            "visits": self._visits.state(),
        }
        data = io.BytesIO()
        torch.save(state, data)
        self.folder.save_state(data.getvalue())

    def restore(self, data: bytes) -> None:
        """Go on from a saved state. Raises RunError if it is none of this run."""
        assert self.folder is not None
        try:
            state = tensors_in(data, self.task.train.x.device)
            self.tuner.restore(state["tuner"])
            if state["heat"] is not None:
                network = self.config.loss_network
                size = network.size if network else 1
                rate = self.config.adaptation.rate if self.config.online else 0.0
                blank = OnlineLoss(
                    self.config.method, network, (0.0,) * size, rate, self.config.adaptation.batch
                )
                self.heat = self._heat_of(blank)
                self.heat.restore(state["heat"])
                self._visits.restore(state["visits"])
            length = int(state["length"])
        except Exception as error:  # a damaged file can fail in any way
            raise RunError(
                f"'{self.folder.path / 'state.pt'}' is damaged: {type(error).__name__}: {error}"
            ) from error
        self.folder.cut_back(length)


def start(
    config: LearnConfig,
    out: Path | None = None,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Learned:
    """Learn a loss. With `out`, its record is kept in that folder, which must be new or empty.

    Raises StoppedError where `stop` says so; with `out`, everything up to there is kept.
    """
    task = task_of(config)
    config = settled(config, task)
    check_metric(metric_of(config, task), task, config.seed)
    if out is None:
        return LearningRun(config, task, None, say, tick, stop).run()
    LearnedFolder.check_new(out)
    make_folder(out)
    with held(out):  # before it is made: of two that are given one folder, the second is refused
        folder = LearnedFolder.create(out, record_of(config, task))
        folder.add_event("started", device=str(task.train.x.device), network=config.training.network)
        return LearningRun(config, task, folder, say, tick, stop).run()


def resume(
    path: Path,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
    force: bool = False,
) -> Learned:
    """Go on with a run that was stopped, from where it was saved last.

    force: also with other data or versions, whose result is that of no uninterrupted run.
    """
    folder = LearnedFolder.open(path)
    with held(path):
        config = relocated(config_of(folder), folder.record().begun_in)
        task = task_of(config)
        changes = changes_since(folder.record(), digest_of(config, task))
        answer_changes("training", path, changes, force, say)
        run = LearningRun(config, task, folder, say, tick, stop)
        state = folder.state()
        if state is None:
            folder.cut_back(0)
        else:
            run.restore(state)
        if run.heat is not None and run.heat.done >= config.training.steps:
            raise RunError(f"the run in '{path}' is finished; look at it: symloss analyze {pasted(path)}")
        folder.add_event("resumed", meta_steps=run.tuner.done, steps=run.heat.done if run.heat else 0)
        return run.run()


def learned_in(
    config: LearnConfig,
    path: Path,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """See to it that the run of these settings in `path` is finished: begin it, go on, or leave it alone.

    Raises: RunError if the run there was made with other settings.
    """
    if not LearnedFolder.is_one(path):
        start(config, path, say, tick, stop)
        return
    folder = LearnedFolder.open(path)
    recorded = config_of(folder)
    rate = config.training.learning_rate or recorded.training.learning_rate
    training = as_measured(config.training, recorded.training)
    training = msgspec.structs.replace(training, learning_rate=rate)
    if recorded != msgspec.structs.replace(config, training=training, network=config.loss_network):
        raise RunError(f"the run in '{path}' was made with other settings; choose another --out")
    snapshots = folder.snapshots()
    if not snapshots or snapshots[-1].step < recorded.training.steps:
        resume(path, say, tick, stop)
