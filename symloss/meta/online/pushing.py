"""How a model's outputs move with its parameters: J v, by forward-mode differentiation.

What the usual layers came to in the pass that was made anyway is kept and not computed again; a direction
then costs what a backward pass costs.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from symloss.errors import ConfigError
from symloss.meta.online.replaying import ChangedPassError, Forward, Keeping, Kept, Replaying, dual, unpack

Named = dict[str, Tensor]

with warnings.catch_warnings():  # torch's own rules of forward mode are written with what it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("torch._decomp.decompositions_for_jvp")


@dataclass
class Recorded:
    """A pass in the model's own mode, with what is needed to look at it again at the same parameters.

    outputs: (batch, ...), with autograd's graph. buffers: as they were before. drawn: states of the random
    generators before. results: those of the functions that are kept, in order.
    """

    x: Any
    outputs: Tensor
    buffers: Named
    drawn: list[Tensor]
    results: list[Kept] = field(default_factory=list)


def recorded(model: nn.Module, x: Any) -> Recorded:
    """Call `model(x)`. Raises ConfigError if that changes x, which has to be seen again."""
    buffers = {name: value.detach().clone() for name, value in model.named_buffers()}
    drawn = _random_states(model)
    versions = [own._version for own in _tensors_in(x)]
    keeping = Keeping()
    # What is compiled would be compiled anew under a mode.
    with nullcontext() if any(map(_is_compiled, model.modules())) else keeping:
        outputs = model(x)
    if versions != [own._version for own in _tensors_in(x)]:
        raise ConfigError(
            "the model writes over its inputs, which online adaptation passes a second time: let it begin "
            "with a copy, as in x = x.clone()"
        )
    return Recorded(x, outputs, buffers, drawn, keeping.results)


def _tensors_in(x: Any) -> Iterator[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, Mapping | list | tuple):
        for own in x.values() if isinstance(x, Mapping) else x:
            yield from _tensors_in(own)


def _is_compiled(module: nn.Module) -> bool:
    return module._compiled_call_impl is not None or hasattr(module, "_orig_mod")


def pushed(model: nn.Module, start: Named, directions: Named, seen: Recorded) -> Tensor:
    """J v at the parameters `start` of the recorded pass, for directions v by name; the outputs' shape.

    What was drawn in that pass, such as dropout masks, is drawn again, and nothing is left behind: neither
    running statistics nor random states change.
    """
    # Compiled code forgets directions, and fused attention has no second derivatives.
    with torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH):
        found = _forward_where_possible(model, start, directions, seen)
        if found is not None:
            return found
        with _random_states_of(seen, model):
            return _transposed_twice(model, start, directions, seen)


def _forward_where_possible(
    model: nn.Module, start: Named, directions: Named, seen: Recorded
) -> Tensor | None:
    for mode in (Replaying(seen.results), Forward()):
        try:
            with _random_states_of(seen, model):
                return _forward(model, start, directions, seen, mode)
        except ChangedPassError:
            continue
        except NotImplementedError:  # the forward mode of some layers, such as LSTMs, is not in torch
            return None
        except RuntimeError as error:
            if "Nested forward mode" in str(error):  # a model that uses it itself
                return None
            raise
    return None


@torch.enable_grad()  # models may look at that; nothing requires a gradient
def _forward(
    model: nn.Module, start: Named, directions: Named, seen: Recorded, mode: Forward
) -> Tensor | None:
    """J v; None if forward mode finds nothing that moves."""
    with forward_ad.dual_level(), mode:
        values = {
            name: dual(value, directions[name]) if name in directions else value
            for name, value in start.items()
        }
        buffers = {name: value.clone() for name, value in seen.buffers.items()}
        outputs = functional_call(model, {**values, **buffers}, (seen.x,))
        moved: Tensor | None = unpack(outputs).tangent
        mode.finish()
        return None if moved is None else moved.detach()


@torch.enable_grad()
def _transposed_twice(model: nn.Module, start: Named, directions: Named, seen: Recorded) -> Tensor:
    leaves = {name: start[name].detach().requires_grad_() for name in directions}
    buffers = {name: value.clone() for name, value in seen.buffers.items()}
    outputs = functional_call(model, {**start, **leaves, **buffers}, (seen.x,))
    probe = torch.zeros_like(outputs, requires_grad=True)
    slopes = torch.autograd.grad(outputs, list(leaves.values()), probe, create_graph=True, allow_unused=True)
    used = [(own, directions[name]) for name, own in zip(leaves, slopes, strict=True) if own is not None]
    if not used:
        return probe.detach()
    (found,) = torch.autograd.grad([own for own, _ in used], probe, [direction for _, direction in used])
    return found


def _devices(model: nn.Module) -> list[torch.device]:
    return list(dict.fromkeys(p.device for p in model.parameters() if p.device.type == "cuda"))


def _random_states(model: nn.Module) -> list[Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in _devices(model))]


@contextmanager
def _random_states_of(seen: Recorded, model: nn.Module) -> Iterator[None]:
    devices = _devices(model)
    with torch.random.fork_rng(devices=devices):
        torch.set_rng_state(seen.drawn[0])
        for device, state in zip(devices, seen.drawn[1:], strict=True):
            torch.cuda.set_rng_state(state, device)
        yield
