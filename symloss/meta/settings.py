"""How candidates are trained, tuned, filtered and confirmed: the settings of this room.

They are checked when a configuration is read; a setting is documented where it is defined.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

Count = Annotated[int, Meta(ge=1, lt=2**31)]
CountOrZero = Annotated[int, Meta(ge=0, lt=2**31)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class Training(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Training of a base model under a candidate: mini-batch SGD as in torch.optim.SGD.

    steps:        optimiser steps. batch_size: samples per step.
    learning_rate: of SGD; None takes the one that suits known losses best on this task (see `calibration`).
                  Too high a rate ranks losses by how they survive it, not by what they are good for.
    momentum, nesterov, weight_decay: of SGD.
    seeds:        networks per candidate, each with its own initial weights; fitness is their mean.
    normalise:    scale each loss so that its gradient at the start is as large as that of cross-entropy
                  (mean squared error for regression): one learning rate then suits all candidates.
    network:      how networks are differentiated: "chain" by explicit rules for known layers, "traced" by
                  torch's transforms for modules that it can batch, "separate" one after another for any
                  module, as batch normalisation and dropout need it; "auto" whichever is faster here.
    models_at_once: networks in one batched step; None is what measures fastest for the model and device.
    tf32:         on CUDA, let matrix products round their factors to 10 bits, which is faster.
    cuda_graphs:  on CUDA, record what networks do in a step as graphs, which are launched as one, where that
                  measures faster; if `network` and `models_at_once` are given, without measuring. Where it
                  fails, or gives other results, training goes on without it.
    step_time_limit: seconds that a step may take before its candidate is given up; where work runs in
                  processes of its own, which is on Linux without CUDA.
    """

    steps: Count = 250
    batch_size: Count = 128
    learning_rate: Positive | None = None
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = 0.0
    seeds: Count = 2
    normalise: bool = True
    network: Literal["auto", "chain", "traced", "separate"] = "auto"
    models_at_once: Count | None = None
    tf32: bool = False
    cuda_graphs: bool = False
    step_time_limit: Positive = 600.0


MEASURED = ("network", "models_at_once", "cuda_graphs")
"""Settings of training that are measured when a run starts, and kept: they decide the last bits."""


def as_measured(training: Training, earlier: Training) -> Training:
    """`training` with what had been measured when `earlier` was recorded."""
    return replace(training, **{name: getattr(earlier, name) for name in MEASURED})


class Tuning(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """EvoMAL's local search: constants follow the gradient of the task loss through inner training steps.

    steps:        meta steps; 0 turns tuning off. learning_rate: of Adam on the constants.
    inner_steps:  training steps that are differentiated through, with plain SGD of inner_learning_rate.
    batch_size:   samples of each inner step and of each validation batch.
    weights:      "edges" multiplies a constant into every edge, as the paper does; "merged" collects
                  those that act as one; "none" tunes the formula's own constants alone.
    keep_better:  train the formula untuned as well and keep whichever scores better. One inner step
                  rewards what helps at once, which is not always what helps in the end.
    """

    steps: CountOrZero = 100
    learning_rate: Positive = 2.5e-3
    inner_steps: Count = 1
    inner_learning_rate: Positive = 0.1
    batch_size: Count = 128
    weights: Literal["edges", "merged", "none"] = "merged"
    keep_better: bool = True


class Offline(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a learned loss is meta-trained before anything is trained with it (ML3; AdaLFL's initialisation).

    steps:       meta steps, each with a fresh network. learning_rate: of Adam on the loss.
    inner_steps: training steps that are differentiated through, by plain SGD of the base network's learning
                 rate. start: weights of the loss network "random" as drawn, as in the papers, or such that it
                 begins as the "usual" loss.
    """

    steps: CountOrZero = 2500
    learning_rate: Positive = 1e-3
    inner_steps: Count = 1
    start: Literal["random", "usual"] = "random"


class Adaptation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a loss goes on learning while the base network trains (AdaLFL).

    rate:  of Adam on the loss; larger ones make training restless, says the paper.
    batch: what the stepped network is asked about: a batch of "validation" data, as in the paper's
           algorithm, or the next "training" batch.
    """

    rate: NotNegative = 1e-5
    batch: Literal["validation", "training"] = "validation"


class Filters(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is tried before anything is trained.

    duplicates:      skip candidates whose gradient on a sample equals that of an earlier one, up to a factor
                     where losses are scaled alike anyway.
    digits:          decimal digits, relative to the largest entry, to which gradients must agree.
    rejection:       skip candidates that do not improve free predictions (from AutoLoss-Zero).
    rejection_steps, rejection_learning_rate: of Adam on these predictions.
    sample:          number of training samples used.
    """

    duplicates: bool = True
    digits: Annotated[int, Meta(ge=1, le=12)] = 5
    rejection: bool = True
    rejection_steps: Count = 50
    rejection_learning_rate: Positive = 0.2
    sample: Count = 100


class Racing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Giving up candidates that are worse by then than any of the best had been.

    Off by default. `docs/racing.md` has what it saves; whole searches ended as well with `seeds` as
    without it (`docs/whole-searches.md`).

    seeds:     train one network of each candidate, and the others only where the first does not cost more
               than the first of each of the best. The search breeds from the rest too, by that one cost and
               what those of the best have in the mean above their first.
    tuning:    tune only what costs no more before than any of the best did before they were tuned. The others
               keep their constants. Goes with tuning.keep_better, which trains them before.
    rungs:     fractions of the training steps after which candidates are looked at, such as 0.1, 0.3, 0.5.
               What is stopped there has no score, and fewer parents are left to breed from.
    reference: as many of the best candidates of earlier generations set the bar; until there are so many,
               only what diverged is given up.
    margin:    how much worse than the worst of these a candidate may be at a rung or before tuning, as a
               fraction of what is still to be gained: the difference to the best final score.
    """

    seeds: bool = False
    tuning: bool = False
    rungs: tuple[Annotated[float, Meta(gt=0, lt=1)], ...] = ()
    reference: Count = 8
    margin: NotNegative = 0.3


class Finalists(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """After the search its best candidates are trained again, so that a lucky seed does not win.

    count:    how many; 0 leaves this out. seeds: fresh networks for each learning rate.
    steps:    optimiser steps, as a multiple of those in the search.
    factors:  learning rates tried, as multiples of that in the search; the best on validation counts.
    distance: how different they have to be: of candidates whose gradients on a sample differ by a smaller
              share of their size, the best is a finalist. 0 takes them all.
    """

    count: CountOrZero = 8
    seeds: Count = 5
    steps: Positive = 4.0
    factors: Annotated[tuple[Positive, ...], Meta(min_length=1)] = (0.1, 0.3, 1.0)
    distance: Annotated[float, Meta(ge=0, lt=1)] = 0.01
