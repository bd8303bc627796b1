"""What is learned for few-shot tasks, and how: every choice by name, and the named methods as choices.

NPBML (Raymond et al., arXiv 2406.07983) learns an initialisation, an optimiser and a loss function together.
Each of its parts is a setting here, so that leaving them out one by one is MAML in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from symloss.config import checked, merged
from symloss.errors import ConfigError, did_you_mean

Count = Annotated[int, Meta(ge=1, lt=2**31)]
Whole = Annotated[int, Meta(ge=0, lt=2**31)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class Network(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network that learns a task.

    backbone:   "conv4" (four convolutions), "resnet12", or "mlp" (two layers of 40, for vectors).
    filters:    of conv4: 32, 64 or 128, or any number.
    frozen:     how many of the first blocks stay as they were pretrained. They are computed once a task.
    warp:       layers between the blocks that shape the gradient of the others: learned over tasks, but
                constant while a task is learned (T-Net, WarpGrad). They have no nonlinearity and start as the
                identity, before their normalisation.
    film:       scales and shifts after each normalisation that depend on the input (FiLM), and, where the
                loss is learned, in the layers of the loss networks.
    head:       "plain": weights for each class are learned. "cone": one vector is learned, with which every
                class starts; then no class is different from another.
    statistics: what batch normalisation looks at, always the same while a task is learned and when it is
                judged: "separate", support and query set each by themselves; "joint", both together.
    """

    backbone: Literal["conv4", "resnet12", "mlp"] = "conv4"
    filters: Count = 64
    frozen: Whole = 0
    warp: bool = False
    film: bool = False
    head: Literal["plain", "cone"] = "plain"
    statistics: Literal["separate", "joint"] = "separate"


class Loss(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is minimised while a task is learned: the sum of what is switched on.

    residual:     the task's own loss on the support set: cross-entropy, or squared error.
    inductive:    a network that looks at outputs and targets of the support set.
    transductive: another one, that looks at outputs of the query set and at what a task encoder says of them.
    regulariser:  a third one, that looks at the weights: mean, deviation, L1 and L2 norm of every tensor.
    metal:        the loss of Baik et al. (2021) instead of these three; it needs `residual`.
    rows:         what a loss network looks at for an example. "classes": each class by itself, and the
                  outcomes are averaged, so that no class is different from another. "whole": all classes at
                  once, as published; then the loss depends on the order of the classes.
    modulation:   what FiLM in the loss networks looks at: the average over the "task", or each "row".
    hidden:       width of the two hidden layers.
    encoder:      "prototypes": the nearer a query is to the mean of a class, as the pretrained encoder sees
                  them, the higher its score. "refined": those means take in the queries that are like them.
                  "relation": a relation network, trained before.
    """

    residual: bool = True
    inductive: bool = False
    transductive: bool = False
    regulariser: bool = False
    metal: bool = False
    rows: Literal["classes", "whole"] = "classes"
    modulation: Literal["task", "row"] = "task"
    hidden: Count = 40
    encoder: Literal["prototypes", "refined", "relation"] = "prototypes"


class Inner(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a task is learned: gradient descent from the learned initialisation.

    rate:     learning rate. rates: "learned" has one for each number, which starts as `rate` (Meta-SGD).
    momentum: Nesterov's, if not zero. decay: weight decay.
    order:    1 leaves out how the gradients depend on the weights where they were taken.
    """

    steps: Count = 5
    rate: Positive = 0.01
    rates: Literal["fixed", "learned"] = "fixed"
    momentum: Share = 0.0
    decay: NotNegative = 0.0
    order: Literal[1, 2] = 2


class Stage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Training of an encoder beforehand by Adam. batch: images, or episodes. The rate falls as a cosine."""

    steps: Whole = 0
    batch: Count = 128
    rate: Positive = 1e-3
    decay: NotNegative = 5e-4


class Outer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the rest is learned from many tasks: Adam.

    steps: meta steps, with `tasks` tasks each.
    rate:  learning rate, which falls to `floor` as a cosine.
    clip:  gradients are shortened to this norm; 0 leaves them. NPBML's code clips nothing.
    loss:  on which samples a learned task is judged: "query", or "both" (MeTAL).
    every: meta steps between checkpoints. valid: validation tasks of each; the best checkpoint is kept.
    at_once: "batched": the tasks of a meta step in one batched call; "separate": one after another; "auto":
             what is faster here, measured once.
    recompute: compute every inner step a second time, backwards, so that memory does not grow with their
             number; "auto" does so for resnet12.
    precision: "float32", or "bfloat16" where autocast allows it. Half precision (float16) is not
             offered: second derivatives leave its range.
    """

    steps: Whole = 5000
    tasks: Count = 4
    rate: Positive = 1e-3
    floor: NotNegative = 1e-5
    clip: NotNegative = 10.0
    loss: Literal["query", "both"] = "query"
    every: Count = 250
    valid: Count = 200
    at_once: Literal["auto", "batched", "separate"] = "auto"
    recompute: Literal["auto", "yes", "no"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a run but its data. seed: of what is drawn to start with."""

    method: str = "npbml"
    network: Network = Network()
    loss: Loss = Loss()
    inner: Inner = Inner()
    outer: Outer = Outer()
    pretraining: Stage = Stage()
    relation: Stage = Stage(batch=2, decay=0.0)
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0


METHODS: dict[str, dict[str, Any]] = {
    "maml": {},
    "fomaml": {"inner": {"order": 1}},
    "meta-sgd": {"inner": {"rates": "learned", "steps": 1}},
    "warpgrad": {"network": {"warp": True}},
    "metal": {
        "loss": {"metal": True},
        "network": {"filters": 48, "statistics": "joint"},
        "outer": {"loss": "both", "tasks": 2, "floor": 1e-3},
    },
    "npbml": {
        "network": {"frozen": 3, "warp": True, "film": True, "head": "cone"},
        "loss": {"inductive": True, "transductive": True, "regulariser": True, "encoder": "refined"},
        "inner": {"momentum": 0.9, "decay": 5e-4},
        "pretraining": {"steps": 3000, "rate": 1e-2},
    },
}
"""What each named method changes in the defaults above. Names are the literature's."""


def method_settings(method: str, *layers: Mapping[str, Any]) -> Settings:
    """The settings of a named method, with layers of changes, later ones winning. Raises ConfigError."""
    if method not in METHODS:
        raise ConfigError(f"no few-shot method '{method}': {did_you_mean(method, METHODS)}")
    return consistent(checked(merged({"method": method}, METHODS[method], *layers), Settings))


BLOCKS = {"conv4": 4, "resnet12": 4, "mlp": 2}
"""How many blocks a backbone has."""


def consistent(settings: Settings) -> Settings:
    """The settings, if they go together. Raises ConfigError."""
    network, loss = settings.network, settings.loss
    blocks = BLOCKS[network.backbone]
    if network.frozen > blocks:
        raise ConfigError(
            f"setting 'network.frozen' is {network.frozen}, but {network.backbone} has {blocks} blocks; "
            "use fewer"
        )
    learned = loss.inductive or loss.transductive or loss.regulariser
    if loss.metal and (learned or not loss.residual):
        raise ConfigError(
            "setting 'loss.metal' is the whole of a loss beside 'loss.residual'; switch inductive, "
            "transductive and regulariser off, and residual on"
        )
    if loss.encoder == "relation" and not settings.relation.steps:
        raise ConfigError("setting 'loss.encoder' is relation, which has to be trained: set 'relation.steps'")
    if not (loss.residual or loss.inductive or loss.transductive):
        raise ConfigError(
            "nothing is left to learn a task from: switch 'loss.residual' or 'loss.inductive' on"
        )
    return settings
