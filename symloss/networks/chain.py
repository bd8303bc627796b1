"""Networks that are chains of known layers, differentiated by explicit rules.

Nothing is recorded, nothing is dispatched through function transforms, and intermediate results are
reused where that is safe. For the small networks of a search this takes half the time of autograd or less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symloss.networks.layers import Layer, Own
from symloss.networks.network import Parameters


@dataclass(frozen=True)
class Link:
    """A layer and what its parameters are called in the module."""

    layer: Layer
    names: tuple[str, ...] = ()

    def own(self, parameters: Parameters) -> Own:
        return tuple(parameters[name] for name in self.names)


class Chain:
    """One layer after another. Implements `Network`."""

    name = "chain"

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        trained = [index for index, link in enumerate(self.links) if link.names]
        # Gradients are not needed before the first layer that has parameters.
        self.first = trained[0] if trained else len(self.links)

    @torch.no_grad()
    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.run(parameters, x).outputs

    @torch.no_grad()
    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> ChainPass:
        value, saved = x[None], []
        in_place = False  # the inputs belong to the caller
        for link in self.links:
            value, kept = link.layer.forward(link.own(parameters), value, in_place)
            saved.append(kept)
            in_place = bool(link.names) and not link.layer.output_kept
        return ChainPass(self, parameters, saved, value)

    def keep(self, rows: Tensor) -> Chain:
        return self


class ChainPass:
    """Implements `Pass`."""

    def __init__(self, chain: Chain, parameters: Parameters, saved: list[Any], outputs: Tensor) -> None:
        self._chain, self._parameters, self._saved = chain, parameters, saved
        self.outputs = outputs

    @torch.no_grad()
    def backward(self, gradient: Tensor) -> Parameters:
        found: Parameters = {}
        first = self._chain.first
        for index in range(len(self._saved) - 1, first - 1, -1):
            link = self._chain.links[index]
            own = link.own(self._parameters)
            passed, slopes = link.layer.backward(own, self._saved[index], gradient, index > first)
            found.update(zip(link.names, slopes, strict=True))
            if passed is not None:
                gradient = passed
        return found

    @torch.no_grad()
    def push(self, directions: Parameters) -> Tensor:
        direction: Tensor | None = None
        for link, saved in zip(
            self._chain.links[self._chain.first :], self._saved[self._chain.first :], strict=True
        ):
            own, moved = link.own(self._parameters), link.own(directions)
            direction = link.layer.push(own, saved, moved, direction)
        assert direction is not None, "a network without parameters cannot be moved"
        return direction
