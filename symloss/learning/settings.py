"""The settings of `symloss train-loss`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from symloss.config import TaskSettings
from symloss.losses.neural.settings import ADALFL, ML3, NetworkSettings
from symloss.meta.settings import Adaptation, Count, Offline, Training

Method = Literal["ml3", "adalfl", "lr-offline", "lr-online"]

TEXTS: dict[str, str] = {
    "ml3": "a loss network, meta-trained before it is used and frozen then",
    "adalfl": "a loss network that goes on learning while the base network trains",
    "lr-offline": "the usual loss with a learning rate that is meta-trained beforehand (ablation of ml3)",
    "lr-online": "the usual loss with a learning rate that goes on learning (ablation of adalfl)",
}
"""Each method in words."""


class LearnConfig(TaskSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a learned loss: a task, and what follows.

    method:     "ml3", "adalfl", or a learned learning rate as their ablation: "lr-offline", "lr-online".
    network:    of the loss; None is what the method's paper has. A learned learning rate has none.
    offline:    meta-training beforehand. adaptation: learning meanwhile; not for "ml3" and "lr-offline".
    training:   of the base network; its learning rate is also that of the inner steps, and None is 0.01 for
                classes and 0.001 for values, as in the paper. Its seeds and normalise have no effect here.
    snapshots:  how often the loss is kept on the way.
    """

    method: Method = "adalfl"
    network: NetworkSettings | None = None
    offline: Offline = Offline()
    adaptation: Adaptation = Adaptation()
    training: Training = Training(steps=2000)
    snapshots: Count = 50
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0

    @classmethod
    def usual(cls, method: str) -> dict[str, Any]:
        """Settings to lay others over: the loss network of the method's paper."""
        network = {"ml3": ML3, "adalfl": ADALFL}.get(method)
        own = {} if network is None else {"network": msgspec.to_builtins(network)}
        return {**own, "method": method}

    @property
    def online(self) -> bool:
        """Whether the loss learns while the base network trains."""
        return self.method in ("adalfl", "lr-online")

    @property
    def loss_network(self) -> NetworkSettings | None:
        """The loss network's settings; None for a learned learning rate."""
        if self.method.startswith("lr-"):
            return None
        return self.network or (ML3 if self.method == "ml3" else ADALFL)
