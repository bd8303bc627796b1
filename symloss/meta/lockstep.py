"""Many networks of one shape, trained together, step by step.

A `Fleet` holds K networks: every parameter is stacked along a first axis of length K. All see the same
batches in the same order, so that networks differ only in their loss (and in their initialisation where
seeds differ).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.optim.sgd import sgd

from symloss.meta.settings import Training
from symloss.networks import Network, Parameters, Pass, Separate
from symloss.networks.randomness import seeded


class Fleet:
    """K networks with stacked parameters of shape (K, ...), and the state of their optimiser.

    rates:    learning rate of each network, (K,).
    training: the optimiser's settings: stochastic gradient descent as in torch.optim.SGD.
    """

    def __init__(self, network: Network, parameters: Parameters, rates: Tensor, training: Training) -> None:
        self.network = network
        self.parameters = parameters
        self._rates = rates
        self._training = training
        # Zero averages are what torch.optim.SGD has after none: its first average is the gradient itself.
        averages = parameters if training.momentum else {}
        self._averages = {name: torch.zeros_like(value) for name, value in averages.items()}

    def __len__(self) -> int:
        return len(self._rates)

    def step(self, x: Tensor, output_gradient: Callable[[Tensor], Tensor], seed: int = 0) -> None:
        """One optimiser step. `output_gradient` maps outputs (K, batch, outputs) to their gradient.

        seed: of what networks draw, such as dropout masks.
        """
        forward = self.network.run(self.parameters, x, seed)
        self.follow(forward, output_gradient(forward.outputs))

    def follow(self, forward: Pass, output_gradient: Tensor) -> None:
        """One optimiser step along the gradient of a pass that was made at the fleet's parameters."""
        # The rates multiply the gradients of the outputs, which are small, instead of those of the
        # parameters: stochastic gradient descent with momentum is linear in the gradient.
        found = forward.backward(output_gradient * self._rates[:, None, None])
        slopes = [found[name].contiguous() for name in self.parameters]
        training = self._training
        if training.weight_decay:
            decay = training.weight_decay * self._rates
            slopes = [
                slope.addcmul(value, decay.view(-1, *[1] * (value.dim() - 1)))
                for slope, value in zip(slopes, self.parameters.values(), strict=True)
            ]
        # The optimiser's step as a function: the class around it takes twice as long for small networks.
        sgd(
            list(self.parameters.values()),
            slopes,
            list(self._averages.values()) or [None] * len(slopes),
            fused=True,
            lr=1.0,
            weight_decay=0.0,
            momentum=training.momentum,
            dampening=0.0,
            nesterov=training.nesterov and training.momentum > 0,
            maximize=False,
        )

    def effect(self, directions: Parameters) -> Parameters:
        """P v for v = directions; -P is the derivative of the parameters after a step by the gradient."""
        nesterov = self._training.nesterov and self._training.momentum > 0
        factor = self._rates * (1.0 + self._training.momentum if nesterov else 1.0)
        return {name: value * factor.view(-1, *[1] * (value.dim() - 1)) for name, value in directions.items()}

    def state(self) -> dict[str, Any]:
        """Parameters, the optimiser's averages, and running statistics."""
        buffers = self.network.buffers if isinstance(self.network, Separate) else {}
        return {"parameters": self.parameters, "averages": self._averages, "buffers": buffers}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a fleet that was made alike."""
        for kind, values in self.state().items():
            for name, value in values.items():
                value.copy_(state[kind][name])

    def keep(self, rows: Tensor) -> Fleet:
        """The networks of these rows alone, with the state of their optimiser, as a new fleet."""
        kept = Fleet(
            self.network.keep(rows),
            {name: value[rows] for name, value in self.parameters.items()},
            self._rates[rows],
            self._training,
        )
        kept._averages = {name: value[rows] for name, value in self._averages.items()}
        return kept


def seeded_model(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A new model whose initial weights depend on `seed` alone. Torch's global random state is kept."""
    with seeded() as seed_with:
        seed_with(seed)
        return make_model()


def seeded_networks(
    make_model: Callable[[], nn.Module],
    seeds: Sequence[int],
    device: torch.device,
    network: Callable[[nn.Module, Parameters], Network],
) -> tuple[Network, Parameters]:
    """A network and its stacked parameters, one row for each seed; equal seeds give equal rows.

    network: from a module that gives the structure, and stacked buffers, to how they compute; see `Plan`.
    """
    models = {seed: seeded_model(make_model, seed) for seed in dict.fromkeys(seeds)}
    parameters, buffers = stack_module_state(list(models.values()))
    position = {seed: index for index, seed in enumerate(models)}
    rows = torch.tensor([position[seed] for seed in seeds])

    def stacked(tensors: Parameters) -> Parameters:
        return {name: tensor.detach()[rows].to(device) for name, tensor in tensors.items()}

    return network(next(iter(models.values())).to("meta"), stacked(buffers)), stacked(parameters)


class BatchOrder:
    """A fixed order of mini-batches: epochs of a shuffled data set, from a seed, the same for every model.

    `order[step]` is the index tensor (batch,) of a step. Whole epochs are drawn at a time; a batch may
    span two of them, so that every batch is full.
    """

    def __init__(self, size: int, batch_size: int, steps: int, seed: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(seed)
        batch = min(batch_size, size)
        epochs = -(-steps * batch // size)
        drawn = torch.cat([torch.randperm(size, generator=generator) for _ in range(max(epochs, 1))])
        self._indices = drawn[: steps * batch].view(steps, batch).to(device)

    def __len__(self) -> int:
        return self._indices.shape[0]

    def __getitem__(self, step: int) -> Tensor:
        return self._indices[step]
