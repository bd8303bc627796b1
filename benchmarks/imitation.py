"""Loss networks that imitate a known loss, as closely as they can."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vmap

from symloss.fitting.sources import Teacher
from symloss.losses.neural import ADALFL, LossNetwork
from symloss.losses.neural.arithmetic import values
from symloss.workers import one_thread

Function = Callable[[Tensor], Tensor]

LARGEST, SMALLEST = 1e12, 1e-15
"""Damping with which no step is short enough to help, and less than which says nothing."""


def imitated(original: Teacher, steps: int = 3000, seed: int = 0) -> Teacher:
    """AdaLFL's network, from random weights fitted to the values of a loss on its domain."""
    network = LossNetwork(original.kind, ADALFL, torch.Generator().manual_seed(seed)).double()
    domain = original.domain
    prediction, target, weight = (
        torch.tensor(own, dtype=torch.float64)[:, None, None]
        for own in (domain.prediction, domain.target, domain.weight)
    )
    wanted = original.per_element(prediction, target).detach()
    wanted, root = (wanted / wanted.std()).flatten(), weight.sqrt().flatten()

    def value(weights: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
        return values(weights, prediction, target, ADALFL).squeeze()

    value_of_each, slope_of_each = vmap(value, (None, 0, 0)), vmap(grad(value), (None, 0, 0))
    with one_thread():  # the work is too small to share
        weights = least_squares(
            lambda own: root * (value_of_each(own, prediction, target) - wanted),
            lambda own: root[:, None] * slope_of_each(own, prediction, target),
            network.weights.detach(),
            steps,
        )
    with torch.no_grad():
        network.weights.copy_(weights)
    return Teacher(f"a network that imitates {original.name}", original.kind, network.per_element, domain)


def least_squares(residuals: Function, jacobian: Function, start: Tensor, steps: int) -> Tensor:
    """Levenberg and Marquardt's method where there are more unknowns than residuals.

    Its equations are then solved in the space of the residuals, which SciPy's `least_squares` does not do: a
    step of it takes six times as long here.
    """
    found, damping, left = start, 1e-2, residuals(start)
    for _ in range(steps):
        slopes = jacobian(found)
        products = slopes @ slopes.T
        identity = torch.eye(len(products)).to(products) * products.diagonal().mean()
        while damping < LARGEST:
            moved = found - slopes.T @ torch.linalg.solve(products + damping * identity, left)
            after = residuals(moved)
            if after.norm() < left.norm():
                break
            damping *= 4
        else:
            break
        found, left, damping = moved, after, max(damping / 3, SMALLEST)
    return found
