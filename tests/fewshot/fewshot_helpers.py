"""Shared by the tests of few-shot learning: classes that are blobs, small learners, tasks in float64."""

from dataclasses import dataclass

import torch

from symloss.fewshot.episodes.episode import Episode, FewShotTask
from symloss.fewshot.learner import Learner
from symloss.fewshot.settings import method_settings
from symloss.records import Kind

SHAPE, WAYS = (1, 16, 16), 3


@dataclass(frozen=True)
class Blobs:
    """Every class of an episode is an image of its own, seen through noise."""

    split: int
    shots: int = 1
    queries: int = 2
    shape: tuple = SHAPE
    kind: Kind = Kind.MULTICLASS

    def episode(self, index):
        generator = torch.Generator().manual_seed(self.split * 10_000 + index)
        centres = torch.randn(WAYS, 1, *SHAPE, generator=generator)

        def some(count):
            noise = torch.randn(WAYS, count, *SHAPE, generator=generator)
            return (centres + noise / 2).flatten(0, 1), torch.arange(WAYS).repeat_interleave(count)

        return Episode(*some(self.shots), *some(self.queries))


def blobs(shots=1, images=True):
    classes = torch.arange(8).repeat_interleave(4)
    generator = torch.Generator().manual_seed(0)
    pictures = (torch.randn(32, *SHAPE, generator=generator), classes)
    parts = [Blobs(split, shots) for split in (1, 2, 3)]
    return FewShotTask("blobs", WAYS, shots, 2, *parts, load_images=(lambda: pictures) if images else None)


def small(method, *changes, **loss):
    """Settings of a network with three filters and two inner steps."""
    few = {"network": {"filters": 3}, "inner": {"steps": 2, "rate": 0.1}, "loss": {"hidden": 5}}
    return method_settings(method, few, {"pretraining": {"steps": 0}}, {"loss": loss}, *changes)


def learner_of(settings):
    return Learner(settings, SHAPE, Kind.MULTICLASS, WAYS)


def tasks_of(count=2, shots=1, seed=0):
    """Random tasks with the scores of a task encoder, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def pictures(each):
        return torch.randn(count, WAYS * each, *SHAPE, generator=generator, dtype=torch.float64)

    def labels(each):
        return torch.arange(WAYS).repeat_interleave(each).expand(count, -1)

    scores = torch.randn(count, WAYS * 2, WAYS, generator=generator, dtype=torch.float64).softmax(-1)
    return {
        "support_x": pictures(shots),
        "support_y": labels(shots),
        "query_x": pictures(2),
        "query_y": labels(2),
        "scores": scores,
    }


def started(learner, jitter=0.0):
    """Meta-parameters and frozen ones in float64; jitter moves them away from where they start."""
    meta, frozen = learner.initial()
    generator = torch.Generator().manual_seed(7)
    moved = {
        n: v.double() + jitter * torch.randn(v.shape, generator=generator, dtype=torch.float64)
        for n, v in meta.items()
    }
    return moved, {n: v.double() for n, v in frozen.items()}


def encoded(learner, frozen, tasks):
    with torch.no_grad():
        return torch.func.vmap(lambda task: learner.encoded(frozen, task))(tasks)
