"""Encoders that are trained before: the backbone on all training classes, and a relation network.

They say of a query which class of the support set it is like. A prototype is the mean of a class's features;
scores are the softmax of the negative squared distances to the prototypes. Refined prototypes are means over
the queries too, as far as they are like the class: soft k-means (Ren et al., ICLR 2018, arXiv 1803.00676).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from symloss.fewshot.backbones import Backbone, Plain
from symloss.fewshot.episodes.episode import EpisodeSource, FewShotTask
from symloss.fewshot.learner import Parameters, group, named
from symloss.fewshot.settings import Network, Settings
from symloss.networks.randomness import seeded, step_seed
from symloss.workers import one_thread

Adapted = Callable[[Parameters, Parameters], Tensor]

ROUNDS = 10
"""Of soft k-means."""

SHARPNESS = 10.0
"""By which cosines are multiplied before their softmax."""


def stacked(source: EpisodeSource, first: int, count: int, device: torch.device) -> Parameters:
    """Episodes number `first` and following, each tensor with a first dimension for them."""
    episodes = [source.episode(first + i) for i in range(count)]
    names = ("support_x", "support_y", "query_x", "query_y")
    return {n: torch.stack([getattr(e, n) for e in episodes]).to(device) for n in names}


def plain_network(settings: Settings) -> Network:
    """The network as an encoder: without warp layers and FiLM."""
    network = settings.network
    return Network(backbone=network.backbone, filters=network.filters, statistics=network.statistics)


class Encoder:
    """The plain backbone, as a function of its parameters."""

    def __init__(self, settings: Settings, shape: tuple[int, ...]) -> None:
        self.joint = settings.network.statistics == "joint"
        with seeded() as seed:
            seed(step_seed(settings.seed, 2))
            self.backbone = Backbone(shape, plain_network(settings))

    def initial(self) -> Parameters:
        return {n: v.detach().clone() for n, v in self.backbone.named_parameters()}

    def pair(
        self, parameters: Parameters, task: Parameters, begin: int = 0, end: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of support and query set, normalised as settings say, or maps before block `end`.

        begin: so many blocks have seen the task already.
        """

        def run(x: Tensor) -> Tensor:
            return cast(Tensor, functional_call(self.backbone, parameters, (x, begin, end)))

        support, query = task["support_x"], task["query_x"]
        if not self.joint:
            return run(support), run(query)
        both = run(torch.cat([support, query]))
        return both[: len(support)], both[len(support) :]

    def distances(self, parameters: Parameters, task: Parameters, ways: int, begin: int = 0) -> Tensor:
        """Negative squared distances of queries to prototypes (queries, ways).

        Examples of a class follow one another, so rows of `ways` groups are classes.
        """
        support, query = self.pair(parameters, task, begin)
        prototypes = support.reshape(ways, -1, support.shape[1]).mean(1)
        return -(query[:, None] - prototypes).square().sum(2)

    def scores(self, parameters: Parameters, task: Parameters, ways: int, begin: int = 0) -> Tensor:
        """Probabilities of the classes by prototypes (queries, ways)."""
        return self.distances(parameters, task, ways, begin).softmax(1)

    def refined_scores(self, parameters: Parameters, task: Parameters, ways: int, begin: int = 0) -> Tensor:
        """Probabilities of the classes by refined prototypes (queries, ways)."""
        return by_refined_prototypes(*self.pair(parameters, task, begin), ways)


def by_refined_prototypes(support: Tensor, query: Tensor, ways: int) -> Tensor:
    """Probabilities (queries, ways) by prototypes which take queries in, as far as they are like them.

    Features (n, width) are looked at from the mean of all, and likeness is the cosine, so that no scale and
    no width of clusters has to be known. The support set is ordered by class.
    """
    middle = torch.cat([support, query]).mean(0)
    support, query = (
        functional.normalize(support - middle, dim=1),
        functional.normalize(query - middle, dim=1),
    )
    sums = support.reshape(ways, -1, support.shape[1]).sum(1)
    prototypes = functional.normalize(sums, dim=1)
    for _ in range(ROUNDS):
        shares = (SHARPNESS * query @ prototypes.mT).softmax(1)
        prototypes = functional.normalize(sums + shares.mT @ query, dim=1)
    return (SHARPNESS * query @ prototypes.mT).softmax(1)


class RelationNetwork:
    """Compares a query with a class (Sung et al., CVPR 2018): maps of both, two convolutions, one score.

    A class is the mean of its examples' maps, so that one network serves any number of shots.
    """

    def __init__(self, settings: Settings, shape: tuple[int, ...]) -> None:
        self.encoder = Encoder(settings, shape)
        self.end = 3  # maps are taken before the last block, which has no place left to compare
        with seeded() as seed:
            seed(step_seed(settings.seed, 3))
            with torch.no_grad():
                maps = self.encoder.backbone(torch.zeros(2, *shape), 0, self.end)
            width = maps.shape[1]
            self.compare = nn.Sequential(
                Plain(2 * width, width, film=False, image=maps.shape[2] > 1), nn.Flatten(2)
            )
            self.judge = nn.Linear(width, 1)

    def initial(self, encoder: Parameters) -> Parameters:
        parts = named("compare", dict(self.compare.named_parameters()))
        parts |= named("judge", dict(self.judge.named_parameters())) | named("encoder", encoder)
        return {n: v.detach().clone() for n, v in parts.items()}

    def scores(self, parameters: Parameters, task: Parameters, ways: int) -> Tensor:
        """How much each query is like each class, between 0 and 1 (queries, ways)."""
        support, query = self.encoder.pair(group(parameters, "encoder"), task, end=self.end)
        classes = support.reshape(ways, -1, *support.shape[1:]).mean(1)
        count = len(query)
        pairs = torch.cat(
            [classes.expand(count, *classes.shape), query[:, None].expand(count, ways, *query.shape[1:])],
            dim=2,
        )
        found = functional_call(self.compare, group(parameters, "compare"), (pairs.flatten(0, 1),)).mean(2)
        judged: Tensor = functional_call(self.judge, group(parameters, "judge"), (found,))
        return judged.sigmoid().reshape(count, ways)


class Pretraining:
    """Cross-entropy over all training classes; judged by the error of nearest prototypes on episodes.

    Without images of all classes it learns from episodes that prototypes are near (Snell et al., 2017).
    """

    name = "encoder"

    def __init__(self, settings: Settings, task: FewShotTask, device: torch.device) -> None:
        self.settings, self.task, self.device = settings, task, device
        self.stage, self.every = settings.pretraining, settings.outer.every
        self.encoder = Encoder(settings, task.train.shape)
        self.parameters = self.encoder.initial()
        if task.train_images is not None:
            classes = int(task.train_images[1].max()) + 1
            width = self.encoder.backbone.width
            generator = torch.Generator().manual_seed(step_seed(settings.seed, 4))
            weight = torch.randn(classes, width, generator=generator) / math.sqrt(width)
            self.parameters |= {"classifier.weight": weight, "classifier.bias": torch.zeros(classes)}
        self.parameters = {n: v.to(device) for n, v in self.parameters.items()}

    def gradients(self, step: int) -> tuple[float, Parameters]:
        leaves = {n: v.detach().requires_grad_() for n, v in self.parameters.items()}
        body = {n: v for n, v in leaves.items() if not n.startswith("classifier.")}
        if self.task.train_images is None:
            loss = self._episodes_loss(body, step)
        else:
            x, y = self._batch(step)
            features = functional_call(self.encoder.backbone, body, (x,))
            logits = functional.linear(features, leaves["classifier.weight"], leaves["classifier.bias"])
            loss = functional.cross_entropy(logits, y)
        found = torch.autograd.grad(loss, list(leaves.values()))
        return loss.item(), dict(zip(leaves, found, strict=True))

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images drawn, and changed as the task augments them, by the seed and the number of the step."""
        assert self.task.train_images is not None
        images, labels = self.task.train_images
        rng = np.random.default_rng(step_seed(self.settings.seed, 5, step))
        chosen = torch.from_numpy(rng.integers(len(images), size=self.stage.batch))
        x = images[chosen]
        if x.dim() == 4:
            with one_thread():  # the same numbers whatever the threads, and no waiting for them
                x = self.task.augment(x, rng)
        return x.to(self.device), labels[chosen].to(self.device)

    def _episodes_loss(self, body: Parameters, step: int) -> Tensor:
        ways = self.task.ways
        tasks = stacked(self.task.train, step * 4, 4, self.device)
        found = vmap(lambda task: self.encoder.distances(body, task, ways))(tasks)
        return functional.cross_entropy(found.flatten(0, 1), tasks["query_y"].flatten())

    def cost(self, parameters: Parameters) -> float:
        """Share of queries whose nearest prototype is of another class, on validation episodes."""
        return _cost(self.encoder.scores, parameters, self.task, self.settings.outer.valid, self.device)


class RelationTraining:
    """Mean squared error of scores to one-hot targets, on training episodes."""

    name = "relation"

    def __init__(
        self, settings: Settings, task: FewShotTask, encoder: Parameters, device: torch.device
    ) -> None:
        self.settings, self.task, self.device = settings, task, device
        self.stage, self.every = settings.relation, settings.outer.every
        self.network = RelationNetwork(settings, task.train.shape)
        self.parameters = {n: v.to(device) for n, v in self.network.initial(encoder).items()}

    def gradients(self, step: int) -> tuple[float, Parameters]:
        count, ways = self.stage.batch, self.task.ways
        tasks = stacked(self.task.train, step * count, count, self.device)
        leaves = {n: v.detach().requires_grad_() for n, v in self.parameters.items()}
        scores = vmap(lambda task: self.network.scores(leaves, task, ways))(tasks)
        loss = (scores - functional.one_hot(tasks["query_y"], ways)).square().mean()
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        return loss.item(), {
            n: torch.zeros_like(v) if g is None else g
            for (n, v), g in zip(leaves.items(), found, strict=True)
        }

    def cost(self, parameters: Parameters) -> float:
        return _cost(self.network.scores, parameters, self.task, self.settings.outer.valid, self.device)


def _cost(
    scores: Callable[[Parameters, Parameters, int], Tensor],
    parameters: Parameters,
    task: FewShotTask,
    count: int,
    device: torch.device,
) -> float:
    """Mean share of wrong best scores on validation episodes."""
    return shares_wrong(scores, parameters, task.valid, task.ways, count, device).mean().item()


@torch.no_grad()
def shares_wrong(
    scores: Callable[[Parameters, Parameters, int], Tensor],
    parameters: Parameters,
    source: EpisodeSource,
    ways: int,
    count: int,
    device: torch.device,
) -> Tensor:
    """Of each of the first episodes the share of queries whose best score is another class's (count,)."""
    body = {n: v for n, v in parameters.items() if not n.startswith("classifier.")}
    wrong = []
    for i in range(count):
        one = {n: v[0] for n, v in stacked(source, i, 1, device).items()}
        wrong.append((scores(body, one, ways).argmax(1) != one["query_y"]).float().mean())
    return torch.stack(wrong)
