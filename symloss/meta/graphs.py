"""Plans whose networks are replayed as graphs, where that works."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from symloss.errors import SymlossWarning
from symloss.meta.lockstep import seeded_model
from symloss.meta.plan import Plan
from symloss.networks import Network, Parameters, Recorded, Recorder, cuda_recorder

COUNT = 3
"""Networks whose passes are compared."""

TOLERANCE = 1e-3
"""How far apart results may be, as a share of their norm: libraries may choose other kernels."""


def recorder_for(device: torch.device) -> Recorder | None:
    """What records on this device, or None where there is no such thing."""
    return cuda_recorder(device) if device.type == "cuda" else None


def with_graphs(
    plans: Sequence[Plan], make_model: Callable[[], nn.Module], x: Tensor, recorder: Recorder
) -> list[Plan]:
    """The same plans with recorded passes: those of which recording succeeds and gives the same results.

    x: a batch of inputs, on the device. Networks with buffers, and separate ones, are left out.
    """
    models = [seeded_model(make_model, seed) for seed in range(COUNT)]
    parameters, buffers = stack_module_state(models)
    if buffers:
        return []
    stacked = {name: value.detach().to(x.device) for name, value in parameters.items()}
    template = models[0].to("meta")
    found = []
    for plan in plans:
        if plan.separate:
            continue
        network = plan.network(template, {})
        recorded = Recorded(network, recorder)
        if _agree(network, recorded, stacked, x):
            found.append(replace(plan, recorded=recorded))
    return found


def _agree(network: Network, recorded: Recorded, stacked: Parameters, x: Tensor) -> bool:
    """Whether recorded passes give what others give, also where they are replayed with other numbers."""
    turned = {name: value.flip(0) for name, value in stacked.items()}
    shared = {name: value[:1] for name, value in stacked.items()}
    worst = max((_error(network, recorded, own, x) for own in (stacked, turned, shared)), key=_badness)
    if recorded.failed:
        return False
    if not worst <= TOLERANCE:
        warnings.warn(
            f"CUDA graphs are not used: what was recorded gives other results ({worst:.1g})",
            SymlossWarning,
            stacklevel=3,
        )
        return False
    return True


def _badness(error: float) -> float:
    return math.inf if math.isnan(error) else error


def _error(network: Network, recorded: Recorded, parameters: Parameters, x: Tensor) -> float:
    """The largest difference of outputs, of gradients, or of a push, as a share of what they come to."""
    pairs = zip(_results(network, parameters, x), _results(recorded, parameters, x), strict=True)
    shares = [(found - expected).norm() / (expected.norm() + TOLERANCE) for expected, found in pairs]
    return float(torch.stack(shares).max())  # NaN if one is


def _results(network: Network, parameters: Parameters, x: Tensor) -> list[Tensor]:
    """Outputs, gradients, and how outputs move along the gradients; one network may be shared by all."""
    forward = network.run(parameters, x)
    shape = (COUNT, *forward.outputs.shape[1:])
    gradient = torch.linspace(-1.0, 2.0, math.prod(shape), dtype=x.dtype, device=x.device).view(shape)
    gradients = forward.backward(gradient)
    slopes = [gradients[name] for name in parameters]
    return [value.clone() for value in (forward.outputs, *slopes, forward.push(gradients))]
