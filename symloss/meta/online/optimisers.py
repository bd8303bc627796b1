"""How an optimiser's step depends on the gradient that it is given: a diagonal, in closed form."""

from __future__ import annotations

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
    def times(self, directions: Named, start: Named, parameters: Named) -> Named:
        """P v for directions v. `start`: parameters before the step. Their `.grad` must be what was given."""
        known = _sgd if isinstance(self._optimizer, SGD) else self._adam
        found = {}
        for name, direction in directions.items():
            settings = self._settings[name]
            sign = -1.0 if settings.get("maximize") else 1.0
            found[name] = known(direction, settings, parameters[name], start[name]) * sign
        return found

    def _adam(self, direction: Tensor, settings: dict[str, Any], parameter: Tensor, start: Tensor) -> Tensor:
        """The step is rate * m / (sqrt(v) + eps), with m and v corrected for their beginning.

        Where v is 0 no gradient has ever been; the derivative there is 1 / eps, which says nothing about a
        step of finite size, and is left out.
        """
        state = self._optimizer.state[parameter]
        beta1, beta2 = map(float, settings["betas"])
        step = float(state["step"])
        gradient = parameter.grad
        assert gradient is not None
        if settings["maximize"]:
            gradient = -gradient
        decoupled = isinstance(self._optimizer, AdamW) or settings.get("decoupled_weight_decay", False)
        if settings["weight_decay"] and not decoupled:
            gradient = gradient + settings["weight_decay"] * start
        first, second = 1.0 - beta1**step, 1.0 - beta2**step
        root = (state["exp_avg_sq"] / second).sqrt()
        spread = root + settings["eps"]
        ever = root > 0
        by_average = (1.0 - beta1) / first / spread
        by_spread = state["exp_avg"] / first / spread.square() * (1.0 - beta2) / second * gradient
        slope = by_average - by_spread / torch.where(ever, root, torch.ones_like(root))
        return direction * torch.where(ever, slope, torch.zeros_like(slope)) * float(settings["lr"])


def _sgd(direction: Tensor, settings: dict[str, Any], parameter: Tensor, start: Tensor) -> Tensor:
    """The buffer is momentum * buffer + (1 - dampening) * gradient, and the gradient itself at first."""
    momentum = settings["momentum"]
    share = 1.0
    if momentum:
        share = 1.0 if settings["first"] else 1.0 - settings["dampening"]
        share = 1.0 + momentum * share if settings["nesterov"] else share
    return direction * (float(settings["lr"]) * share)


def check_optimiser(optimizer: Optimizer) -> None:
    """Raise ConfigError unless the derivative of this optimiser's step is known."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise ConfigError(
            f"online adaptation knows the steps of torch.optim.SGD, Adam and AdamW, found "
            f"{type(optimizer).__name__}; use one of them"
        )
    if any(group.get("amsgrad") for group in optimizer.param_groups):
        raise ConfigError("online adaptation does not know Adam's step with amsgrad=True; leave amsgrad out")
