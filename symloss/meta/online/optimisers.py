"""How an optimiser's step depends on the gradient that it is given: a diagonal, in closed form."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from symloss.errors import ConfigError

Named = dict[str, Tensor]


class StepDerivative:
    """P in d(parameters after the step) / d(gradient) = -P, of one step of an optimiser.

    Make it before the step, since the first step of momentum is another; ask it after the step, when the
    averages that the step used are in the optimiser's state. Learning rates are read when it is made.
    Raises: ConfigError for an optimiser whose step is not known.
    """

    def __init__(self, optimizer: Optimizer, parameters: Named) -> None:
        check_optimiser(optimizer)
        names = {id(value): name for name, value in parameters.items()}
        self._optimizer = optimizer
        self._settings: dict[str, dict[str, Any]] = {}
        for group in optimizer.param_groups:
            own = {key: value for key, value in group.items() if key != "params"}
            for value in group["params"]:
                if id(value) in names:
                    first = optimizer.state.get(value, {}).get("momentum_buffer") is None
                    self._settings[names[id(value)]] = {**own, "first": first}

    @property
    def moved(self) -> set[str]:
        """Names of the parameters that the optimiser has."""
        return set(self._settings)

    @torch.no_grad()
    def times(self, directions: Named, start: Named, parameters: Named) -> tuple[Named, float]:
        """P v for directions v, without a factor that all have in common, and that factor. v is overwritten.

        start: parameters before the step. Their `.grad` must be what was given.
        """
        factors = {name: self._factor(self._settings[name]) for name in directions}
        common = next(iter(factors.values()), 1.0) if len(set(factors.values())) == 1 else 1.0
        found = {}
        for name, direction in directions.items():
            moved = self._moved(direction, self._settings[name], parameters[name], start[name])
            found[name] = moved if factors[name] == common else moved * factors[name]
        return found, common

    def _factor(self, settings: dict[str, Any]) -> float:
        """What every number of a parameter's direction is multiplied by."""
        rate = float(settings["lr"]) * (-1.0 if settings.get("maximize") else 1.0)
        return rate * _share(settings) if isinstance(self._optimizer, SGD) else rate

    def _moved(self, direction: Tensor, settings: dict[str, Any], parameter: Tensor, start: Tensor) -> Tensor:
        if isinstance(self._optimizer, SGD):
            return direction
        assert parameter.grad is not None
        decay = settings["weight_decay"]
        if isinstance(self._optimizer, AdamW) or settings.get("decoupled_weight_decay", False):
            decay = 0.0  # it does not enter the averages
        return _by_adam(
            direction.contiguous(),
            parameter.grad,
            start if decay else None,
            self._optimizer.state[parameter],
            settings,
        )


PIECE = 2**15
"""Numbers of a parameter that are worked on at a time on a CPU, so that they stay in its nearest memory."""


def _by_adam(
    direction: Tensor, gradient: Tensor, start: Tensor | None, state: dict[str, Any], settings: dict[str, Any]
) -> Tensor:
    """P v / rate, where the step is rate * m / (r + eps), r the root of v, and m and v are corrected for
    their beginning. v = `direction`, which is overwritten.

    Where r is 0 no gradient has ever been; the derivative there is 1 / eps, which says nothing about a step
    of finite size, and is left out. start: parameters before the step, if weight decay counts as gradient.

    With a = 1 - beta1, b = 1 - beta2 and g the gradient, P / rate = (a - b m g / (r (r + eps))) / (r + eps):
    written as a fraction over r (r + eps) it is 0 where r is, and nothing has to be masked.
    """
    beta1, beta2 = map(float, settings["betas"])
    step, eps = float(state["step"]), float(settings["eps"])
    first, second = 1.0 - beta1**step, 1.0 - beta2**step
    sign = -1.0 if settings["maximize"] else 1.0
    # Roots are those of v as it is kept, so its correction enters where it costs nothing, as do a and m's.
    scale = first / (1.0 - beta1)
    per_root = scale / math.sqrt(second)
    of_product = -sign * (1.0 - beta2) * scale / ((1.0 - beta1) * math.sqrt(second))
    offset = direction.new_tensor(eps * scale)
    least = torch.finfo(direction.dtype).tiny ** (2 / 3)  # below every root but 0
    whole: tuple[Tensor, ...] = (direction, gradient, state["exp_avg"], state["exp_avg_sq"])
    size: int = PIECE if direction.device.type == "cpu" else max(direction.numel(), 1)
    decayed = () if start is None else torch.split(start.reshape(-1), size)
    for i, (along, slope, average, square) in enumerate(
        zip(*(torch.split(own.reshape(-1), size) for own in whole), strict=True)
    ):
        root = square.sqrt()
        safe = root.clamp_min(least)
        spread = torch.add(offset, safe, alpha=per_root)
        given = slope if start is None else slope.add(decayed[i], alpha=sign * settings["weight_decay"])
        product = torch.mul(average, given)
        along.mul_(torch.addcdiv(root, product, spread, value=of_product, out=product))
        along.div_(spread).div_(safe)
    return direction


def _share(settings: dict[str, Any]) -> float:
    """How much of a gradient SGD steps along.

    The buffer is momentum * buffer + (1 - dampening) * gradient, and the gradient itself at first.
    """
    momentum = settings["momentum"]
    if not momentum:
        return 1.0
    share = 1.0 if settings["first"] else 1.0 - settings["dampening"]
    return 1.0 + momentum * share if settings["nesterov"] else share


def check_optimiser(optimizer: Optimizer) -> None:
    """Raise ConfigError unless the derivative of this optimiser's step is known."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise ConfigError(
            f"online adaptation knows the steps of torch.optim.SGD, Adam and AdamW, found "
            f"{type(optimizer).__name__}; use one of them"
        )
    if any(group.get("amsgrad") for group in optimizer.param_groups):
        raise ConfigError("online adaptation does not know Adam's step with amsgrad=True; leave amsgrad out")
