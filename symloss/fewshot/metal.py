"""MeTAL's loss (Baik et al., ICCV 2021, arXiv 2110.03909): loss networks adapted to the state of a task.

    l = task loss on the support set + l_support(state, outputs, targets)
      + l_query(weights, outputs, sum p log p)

Every inner step has its own two networks d -> d -> 1, each with an adapter that scales and shifts its four
tensors: w' = (1 + b_m g_m) w + b_o g_o, where g comes from the average row and b starts at zero. Each matrix
of rows is standardised by its own mean and deviation. A row holds all classes, so their order matters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss.fewshot.objective import TINY, Tensors, one_hot
from symloss.records import Kind


class AdaptedNetwork(nn.Module):
    """Rows (n, d) -> a scalar, by weights that are adapted to the rows."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, inputs), nn.Linear(inputs, 1)
        self.look, self.say = nn.Linear(inputs, inputs), nn.Linear(inputs, 8)
        self.scales, self.shifts = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))

    def forward(self, rows: Tensor) -> Tensor:
        rows = (rows - rows.mean()) / torch.sqrt((rows - rows.mean()).square().mean() + TINY)
        scale, shift = self.say(functional.relu(self.look(rows.mean(0)))).chunk(2)
        scale, shift = 1 + self.scales * scale, self.shifts * shift
        tensors = [self.first.weight, self.first.bias, self.last.weight, self.last.bias]
        w1, b1, w2, b2 = (scale[i] * tensor + shift[i] for i, tensor in enumerate(tensors))
        return functional.linear(functional.relu(functional.linear(rows, w1, b1)), w2, b2).mean()


class Metal(nn.Module):
    """The two learned parts, for each inner step."""

    def __init__(self, kind: Kind, outputs: int, tensors: int, steps: int) -> None:
        super().__init__()
        self.kind, self.outputs = kind, outputs
        entropy = int(kind is Kind.MULTICLASS)
        self.support = nn.ModuleList(AdaptedNetwork(1 + tensors + 2 * outputs) for _ in range(steps))
        self.query = nn.ModuleList(AdaptedNetwork(tensors + outputs + entropy) for _ in range(steps))

    def forward(
        self, step: int, loss: Tensor, support: Tensor, targets: Tensor, query: Tensor, weights: Tensors
    ) -> Tensor:
        """A scalar. loss: the task's own, on the support set. support, query: outputs (n, N)."""
        means = torch.stack([weight.mean() for _, weight in sorted(weights.items())])
        state = torch.cat([loss[None], means]).expand(len(support), -1)
        marked = targets
        columns = [query]
        if self.kind is Kind.MULTICLASS:
            marked = one_hot(targets, self.outputs, support.dtype)
            logs = functional.log_softmax(query, dim=1)
            columns.append((logs.exp() * logs).sum(1, keepdim=True))
        rows = torch.cat([means.expand(len(query), -1), *columns], dim=1)
        seen: Tensor = self.support[step](torch.cat([state, support, marked], dim=1))
        asked: Tensor = self.query[step](rows)
        return seen + asked
