"""Where training is: a coarse histogram of the pairs (target, prediction) that enter a loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from symloss.archive.learned import Visits
from symloss.losses.entry import predictions_of
from symloss.records import Kind

PROBABILITY_BINS, VALUE_BINS = 40, 20


class VisitCounter:
    """Counts pairs until they are `taken`. For values, the first batch sets the range of the bins."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._edges: tuple[Tensor, Tensor] | None = None
        self._counts = torch.zeros(0)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Count a batch: outputs (networks, batch, outputs), targets as they enter the loss."""
        predictions = predictions_of(outputs, self._kind)
        targets = targets.expand_as(predictions)
        if self._edges is None:
            self._edges = self._new_edges(predictions, targets)
            self._counts = torch.zeros(*(len(edges) - 1 for edges in self._edges), dtype=torch.int64)
        rows, columns = (
            torch.bucketize(value.flatten().cpu(), edges[1:-1], right=True)
            for value, edges in zip((targets, predictions), self._edges, strict=True)
        )
        width = self._counts.shape[1]
        found = torch.bincount(rows * width + columns, minlength=self._counts.numel())
        self._counts += found.view_as(self._counts)

    def _new_edges(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._kind is not Kind.REGRESSION:
            return torch.tensor([-0.5, 0.5, 1.5]), torch.linspace(0.0, 1.0, PROBABILITY_BINS + 1)
        both = torch.cat([predictions.flatten(), targets.flatten()]).float()
        both = both[both.isfinite()]
        reach = float(both.abs().max()) if len(both) else 1.0
        edges = torch.linspace(-max(reach, 1e-6), max(reach, 1e-6), VALUE_BINS + 1)
        return edges, edges

    def taken(self) -> Visits | None:
        """What was counted since the last call; None if nothing was."""
        if self._edges is None or not int(self._counts.sum()):
            return None
        targets, predictions = (tuple(edges.tolist()) for edges in self._edges)
        found = Visits(targets, predictions, tuple(tuple(row) for row in self._counts.tolist()))
        self._counts.zero_()
        if self._kind is Kind.REGRESSION:
            self._edges = None  # where values are changes while a network trains
        return found

    def state(self) -> dict[str, Any]:
        """What was counted since then, as tensors."""
        return {"edges": None if self._edges is None else list(self._edges), "counts": self._counts}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on counting from a state."""
        edges = state["edges"]
        self._edges = None if edges is None else (edges[0].cpu(), edges[1].cpu())
        self._counts = state["counts"].cpu()
