"""What the engine is measured against: EvoMAL's two loops as a careful PyTorch user would write them.

One candidate at a time, data in tensors, autograd, `create_graph` for tuning. With `reshuffle` every step
draws its batch from a fresh pass over a DataLoader, which is how the published code works.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

from symloss.losses.symbolic import SymbolicLossModule
from symloss.meta.lockstep import BatchOrder, seeded_model
from symloss.meta.meta_gradient import task_loss
from symloss.meta.settings import Training, Tuning
from symloss.records import SymbolicLoss
from symloss.tasks.task import Split, Task

Batch = tuple[Tensor, Tensor]


def batches(split: Split, size: int, steps: int, seed: int, reshuffle: bool) -> Iterator[Batch]:
    """`steps` batches of a part of the data."""
    if reshuffle:
        for _ in range(steps):
            x, y = next(iter(DataLoader(TensorDataset(split.x, split.y), batch_size=size, shuffle=True)))
            yield x, y
        return
    order = BatchOrder(len(split), size, steps, seed, split.x.device)
    for step in range(steps):
        yield split.x[order[step]], split.y[order[step]]


def train(
    loss: SymbolicLoss, task: Task, training: Training, seed: int, reshuffle: bool = False
) -> nn.Module:
    """A network trained under a loss."""
    assert training.learning_rate is not None
    model = seeded_model(task.make_model, seed).to(task.train.x.device)
    criterion = SymbolicLossModule(loss).to(task.train.x.device)
    sgd = torch.optim.SGD(
        model.parameters(), training.learning_rate, training.momentum, nesterov=training.nesterov
    )
    for x, y in batches(task.train, training.batch_size, training.steps, seed, reshuffle):
        sgd.zero_grad()
        criterion(model(x), y).backward()
        sgd.step()
    return model


def tune(loss: SymbolicLoss, task: Task, tuning: Tuning, seed: int, reshuffle: bool = False) -> SymbolicLoss:
    """The loss with constants tuned by differentiating through one training step of a fresh network."""
    criterion = SymbolicLossModule(loss, learnable=True).to(task.train.x.device)
    adam = torch.optim.Adam(criterion.parameters(), lr=tuning.learning_rate)
    train_batches = batches(task.train, tuning.batch_size, tuning.steps, seed, reshuffle)
    valid_batches = batches(task.valid, tuning.batch_size, tuning.steps, seed + 1, reshuffle)
    for step, ((x, y), (xv, yv)) in enumerate(zip(train_batches, valid_batches, strict=True)):
        model = seeded_model(task.make_model, seed + step).to(task.train.x.device)
        weights: dict[str, Tensor] = dict(model.named_parameters())
        inner = criterion(functional_call(model, weights, (x,)), y)
        slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
        stepped = {
            name: weight - tuning.inner_learning_rate * slope
            for (name, weight), slope in zip(weights.items(), slopes, strict=True)
        }
        adam.zero_grad()
        task_loss(functional_call(model, stepped, (xv,)), yv, task.kind).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return criterion.to_symbolic()
