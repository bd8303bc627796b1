"""Meta-training: the gradients of meta steps, and how well tasks are learned."""

from __future__ import annotations

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.func import vmap

from symloss.fewshot.encoder import Encoder, RelationNetwork, stacked
from symloss.fewshot.episodes.episode import EpisodeSource, FewShotTask
from symloss.fewshot.gradient import batching_pays, errors_of, meta_gradient
from symloss.fewshot.learner import Learner, Parameters
from symloss.fewshot.settings import Settings
from symloss.records import Kind

TOGETHER = 8
"""Tasks that are learned in one batched call when nothing is trained."""


class TaskLearner:
    """A learner with what it takes from encoders: frozen blocks, a start, and scores of the classes."""

    def __init__(
        self,
        settings: Settings,
        task: FewShotTask,
        encoder: Parameters,
        relation: Parameters,
        device: torch.device,
        batched: bool,
    ) -> None:
        """encoder, relation: parameters of these; none for an untrained encoder, and no relation network."""
        self.settings, self.device, self.batched, self.ways = settings, device, batched, task.ways
        shape, kind = task.train.shape, task.train.kind
        outputs = task.ways if kind is Kind.MULTICLASS else task.train.episode(0).support_y.shape[1]
        self.learner = Learner(settings, shape, kind, outputs)
        self.encoder = Encoder(settings, shape)
        self.encoder_parameters = _on(encoder or self.encoder.initial(), device)
        self.relation = RelationNetwork(settings, shape) if relation else None
        self.relation_parameters = _on(relation, device)
        self.start, self.frozen = (_on(part, device) for part in self.learner.initial())
        self.encoded_alike = bool(encoder)  # the learner's frozen blocks are the encoder's first ones
        if encoder:  # frozen blocks have the names of the encoder, the initialisation has them with a group
            self.frozen = {n: self.encoder_parameters[n] for n in self.frozen}
            for name, value in self.encoder_parameters.items():
                if f"start.{name}" in self.start:
                    self.start[f"start.{name}"] = value.clone()

    def tasks(self, source: EpisodeSource, first: int, count: int) -> Parameters:
        """Episodes as the learner takes them."""
        episodes = stacked(source, first, count, self.device)
        with torch.no_grad():
            if self.device.type != "cpu":
                found: Parameters = vmap(self._ready)(episodes)
                return found
            # A processor loses more by rearranging a batch of batches than it gains.
            each = [self._ready({n: v[i] for n, v in episodes.items()}) for i in range(count)]
        return {n: torch.stack([own[n] for own in each]) for n in each[0]}

    def _ready(self, task: Parameters) -> Parameters:
        ready = dict(self.learner.encoded(self.frozen, task))
        if self.learner.wants_scores:
            ready["scores"] = self._scores(task, ready)
        return ready

    def _scores(self, task: Parameters, encoded: Parameters) -> Tensor:
        if self.relation is not None:
            return self.relation.scores(self.relation_parameters, task, self.ways)
        seen = encoded if self.encoded_alike else task
        begin = self.learner.settings.network.frozen if self.encoded_alike else 0
        refined = self.settings.loss.encoder == "refined"
        scores = self.encoder.refined_scores if refined else self.encoder.scores
        return scores(self.encoder_parameters, seen, self.ways, begin)

    def errors(self, meta: Parameters, source: EpisodeSource, count: int) -> list[float]:
        """The error of each of the first `count` episodes of a source, after learning it."""
        found: list[float] = []
        meta = _on(meta, self.device)
        for first in range(0, count, TOGETHER):
            tasks = self.tasks(source, first, min(TOGETHER, count - first))
            found += errors_of(self.learner, meta, tasks, self.batched).tolist()
        return found


class MetaTraining:
    """The stage in which everything but encoders is learned."""

    name = "meta"

    def __init__(self, settings: Settings, task: FewShotTask, tasks: TaskLearner) -> None:
        self.settings, self.task, self.learner = settings, task, tasks
        self.every, self.parameters = settings.outer.every, tasks.start
        self.recompute = recomputes(settings)

    def gradients(self, step: int) -> tuple[float, Parameters]:
        count = self.settings.outer.tasks
        tasks = self.learner.tasks(self.task.train, step * count, count)
        learner, batched = self.learner.learner, self.learner.batched
        return meta_gradient(learner, self.parameters, tasks, batched, self.recompute)

    def cost(self, parameters: Parameters) -> float:
        errors = self.learner.errors(parameters, self.task.valid, self.settings.outer.valid)
        return sum(errors) / len(errors)


def recomputes(settings: Settings) -> bool:
    """Whether inner steps are computed a second time instead of being kept."""
    wanted = settings.outer.recompute
    return settings.network.backbone == "resnet12" if wanted == "auto" else wanted == "yes"


def chosen_batching(settings: Settings, task: FewShotTask, device: torch.device) -> bool:
    """Whether tasks are batched: as asked for, or as measured here."""
    wanted = settings.outer.at_once
    if wanted != "auto":
        return wanted == "batched"
    if device.type != "cpu":
        return True
    # One inner step tells as much as many.
    short = replace(settings, inner=replace(settings.inner, steps=1))
    tasks = TaskLearner(short, task, {}, {}, device, batched=True)
    some = tasks.tasks(task.train, 0, settings.outer.tasks)
    return batching_pays(tasks.learner, tasks.start, some, recomputes(settings))


def _on(parameters: Parameters, device: torch.device) -> Parameters:
    return {n: v.to(device) for n, v in parameters.items()}
