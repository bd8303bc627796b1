"""Networks before tuning: one for each meta step, the same for all candidates and generations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.func import stack_module_state

from symloss.meta.lockstep import seeded_model
from symloss.networks import Parameters

KEPT_BYTES = 256 * 2**20
"""Memory for initial weights that are kept: making a small network takes longer than training it a step."""


class Starts:
    """`starts[step]` are the parameters and buffers of a fresh network, stacked with a single row.

    Those of the first steps are kept as far as memory allows; the others are made anew each time.
    """

    def __init__(self, make_model: Callable[[], nn.Module], seed: int, device: torch.device) -> None:
        self._make_model, self._seed, self._device = make_model, seed, device
        self.template = seeded_model(make_model, seed)
        self._size = sum(value.nbytes for value in self.template.state_dict().values())
        self._kept: list[tuple[Parameters, Parameters]] = []

    def prepare(self, steps: int) -> None:
        """Make those of the first `steps` now, before processes that need them are forked."""
        while len(self._kept) < steps and len(self._kept) * self._size < KEPT_BYTES:
            self._kept.append(self._made(len(self._kept)))

    def __getitem__(self, step: int) -> tuple[Parameters, Parameters]:
        return self._kept[step] if step < len(self._kept) else self._made(step)

    def _made(self, step: int) -> tuple[Parameters, Parameters]:
        parameters, buffers = stack_module_state([seeded_model(self._make_model, self._seed + step)])

        def placed(tensors: Parameters) -> Parameters:
            return {name: tensor.detach().to(self._device) for name, tensor in tensors.items()}

        return placed(parameters), placed(buffers)


_LAST: list[tuple[object, int, torch.device, Starts]] = []


def starts_for(make_model: Callable[[], nn.Module], seed: int, device: torch.device) -> Starts:
    """The starts of a model and seed: those of the last call, if it asked for the same."""
    if _LAST and _LAST[0][0] is make_model and _LAST[0][1:3] == (seed, device):
        return _LAST[0][3]
    starts = Starts(make_model, seed, device)
    _LAST[:] = [(make_model, seed, device, starts)]
    return starts
