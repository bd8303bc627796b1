"""The loss of AdaLFL: a loss network that is meant to change while a model trains."""

from __future__ import annotations

import torch
from torch import nn

from symloss.losses.neural.imitation import usual_weights
from symloss.losses.neural.network import LossNetwork
from symloss.losses.neural.settings import ADALFL, NetworkSettings
from symloss.records import Kind


class AdaptiveLoss(LossNetwork):
    """A loss network to adapt online: give it to `symloss.OnlineLossLearner`.

    Shapes:  as `LossNetwork`: outputs (batch, num_outputs) raw; labels (batch,) class ids -> a scalar.
    Args:    kind: "multiclass", "binary" or "regression". settings: of the network.
             start: "usual" begins as cross-entropy (as squared error for regression), fitted once in about a
             second; "random" leaves the weights as drawn, for an offline initialisation.
             seed: of the weights that are drawn.
    Raises:  ValueError for another start or too few outputs; ConfigError for settings whose network cannot
             begin as the usual loss.
    Reference: Raymond et al., "Meta-Learning Adaptive Loss Functions", arXiv 2301.13247. The paper begins
             with an offline initialisation of 2500 meta steps: `symloss train-loss adalfl` does that.
    """

    def __init__(
        self,
        num_outputs: int,
        kind: Kind | str = Kind.MULTICLASS,
        settings: NetworkSettings = ADALFL,
        *,
        start: str = "usual",
        seed: int = 0,
    ) -> None:
        super().__init__(kind, settings, torch.Generator().manual_seed(seed))
        if start not in ("usual", "random"):
            raise ValueError(f"start must be 'usual' or 'random', found '{start}'")
        if num_outputs < (2 if self.kind is Kind.MULTICLASS else 1):
            raise ValueError(f"a {self.kind.value} loss needs more outputs, found {num_outputs}")
        self.num_outputs = num_outputs
        if start == "usual":
            self.weights = nn.Parameter(usual_weights(self.kind, num_outputs, settings, seed))
