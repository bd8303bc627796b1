"""How candidates are trained, tuned and filtered: the settings of this room, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Training of a base model under a candidate: mini-batch SGD as in torch.optim.SGD.

    steps:        optimiser steps. batch_size: samples per step.
    learning_rate, momentum, nesterov, weight_decay: of SGD.
    seeds:        networks per candidate, each with its own initial weights; fitness is their mean.
    normalise:    scale each loss so that its gradient at the start is as large as that of cross-entropy
                  (mean squared error for regression): one learning rate then suits all candidates.
    """

    steps: int = 500
    batch_size: int = 128
    learning_rate: float = 0.05
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    seeds: int = 1
    normalise: bool = True


@dataclass(frozen=True)
class Tuning:
    """EvoMAL's local search: constants follow the gradient of the task loss through inner training steps.

    steps:       meta steps; 0 turns tuning off. learning_rate: of Adam on the constants.
    inner_steps: training steps that are differentiated through.
    inner_learning_rate: of these steps (plain SGD).
    weights:     "edges" multiplies a constant into every edge, as the paper does; "merged" first
                 collects those that act as one; "none" tunes the formula's own constants alone.
    """

    steps: int = 250
    learning_rate: float = 1e-3
    inner_steps: int = 1
    inner_learning_rate: float = 0.1
    batch_size: int = 128
    weights: str = "merged"


@dataclass(frozen=True)
class Filters:
    """What is tried before anything is trained.

    duplicates:      skip candidates whose gradient on a sample equals that of an earlier one.
    digits:          significant digits to which gradients must agree.
    rejection:       skip candidates that do not improve free predictions (from AutoLoss-Zero).
    rejection_steps, rejection_learning_rate: of Adam on these predictions.
    sample:          number of training samples used.
    """

    duplicates: bool = True
    digits: int = 5
    rejection: bool = True
    rejection_steps: int = 100
    rejection_learning_rate: float = 0.1
    sample: int = 100
