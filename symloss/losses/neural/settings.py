"""The settings of a loss network, and the two that the papers use. No torch: they are read from files."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class NetworkSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A loss network: from (target, prediction) through two hidden layers to one number, without biases.

    hidden:     width of both hidden layers. The papers of AdaLFL do not agree on it: 40 or 50.
    between:    activation of the hidden layers. output: activation of the result.
                "smooth-leaky-relu" is leak x + (1 - leak) softplus(smoothness x) / smoothness.
    leak, smoothness: constants of the smooth leaky ReLU.
    classes:    "mean" or "sum" over the classes of a multiclass task. Binary and regression losses are
                averaged over all elements, as everywhere in symloss.
    initial:    how weights are drawn: "kaiming-normal" or "xavier-uniform".
    """

    hidden: Annotated[int, Meta(ge=1)] = 40
    between: Literal["smooth-leaky-relu", "relu"] = "smooth-leaky-relu"
    output: Literal["smooth-leaky-relu", "softplus", "none"] = "smooth-leaky-relu"
    leak: Annotated[float, Meta(ge=0, le=1)] = 0.01
    smoothness: Annotated[float, Meta(gt=0)] = 10.0
    classes: Literal["mean", "sum"] = "mean"
    initial: Literal["kaiming-normal", "xavier-uniform"] = "kaiming-normal"

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes (outputs, inputs) of the three weights."""
        return ((self.hidden, 2), (self.hidden, self.hidden), (1, self.hidden))

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(rows * columns for rows, columns in self.shapes)


ADALFL = NetworkSettings()
"""AdaLFL's: smooth leaky ReLU everywhere, the mean over classes."""

ML3 = NetworkSettings(hidden=50, between="relu", output="softplus", classes="sum")
"""ML3's: ReLU, a softplus that keeps the loss positive, the sum over classes."""
