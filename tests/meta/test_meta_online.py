"""Online adaptation: its gradient is exact for every optimiser, and it leaves training alone."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

import symloss
from symloss.errors import ConfigError
from symloss.losses.neural import ML3, LossNetwork, NetworkSettings
from symloss.meta.online.learner import OnlineLossLearner
from symloss.workers import one_thread


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


SMALL = NetworkSettings(hidden=3, smoothness=2.0)


class Awkward(nn.Module):
    """In-place activations, normalisation, dropout, a tied weight, a branch, and an unused parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.act = nn.ELU(inplace=True)
        self.wide = nn.Linear(48, 6)
        self.tied = nn.Linear(6, 6, bias=False)
        self.again = nn.Linear(6, 6)
        self.again.weight = self.tied.weight
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(6, 4)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.act(self.norm(self.conv(x)))
        z = self.dropout(torch.tanh(self.wide(z.flatten(1))))
        z = z + torch.tanh(self.again(torch.tanh(self.tied(z))))
        return self.out(z)


class Calm(Awkward):
    """Without dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout.p = 0.0


class Plain(nn.Module):
    """Of what most models are made, each in more than one spelling, results that are written over too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(2)
        self.within = nn.ReLU(inplace=True)
        self.wide = nn.Linear(4, 12)
        self.more = nn.Linear(12, 12)
        self.out = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.pool(functional.relu(self.conv(x) + 0.5))
        z = functional.adaptive_avg_pool2d(torch.sigmoid(z), 1).flatten(1)
        z = self.wide(z)
        self.within(z)
        z = z.tanh()
        z = z + functional.relu(self.more(z) + 0.1, inplace=True).sigmoid()
        z.mul_(2.0)
        return self.out(z.relu())


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 5, batch_first=True)
        self.out = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.rnn(x[:, 0])[0][:, -1])


def halves(parameters, first, second):
    own = list(parameters)
    return [{"params": own[::2], "lr": first}, {"params": own[1::2], "lr": second}]


OPTIMISERS = {
    "plain": lambda p: torch.optim.SGD(p, lr=0.5),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9, dampening=0.3, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.02, eps=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1, eps=1e-3),
    "maximize": lambda p: torch.optim.Adam(p, lr=0.05, eps=1e-3, maximize=True, weight_decay=0.1),
    "upwards": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.5, maximize=True),
    "two rates": lambda p: torch.optim.SGD(halves(p, 0.5, 0.05), momentum=0.9, nesterov=True),
    "two rates of adam": lambda p: torch.optim.Adam(halves(p, 0.05, 0.005), eps=1e-3),
}


def batches(count: int, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return [
        (
            torch.randn(6, 1, 4, 4, generator=generator, dtype=dtype),
            torch.randint(4, (6,), generator=generator),
        )
        for _ in range(count)
    ]


def learner(
    optimiser="nesterov", weights=None, model=Awkward, settings=SMALL, dtype=torch.float64, **more
) -> OnlineLossLearner:
    torch.manual_seed(0)
    made = model().to(dtype)
    generator = torch.Generator().manual_seed(1)
    loss = LossNetwork("multiclass", settings, generator).to(dtype)
    if weights is not None:
        loss = LossNetwork.of(weights, "multiclass", settings)
    torch.manual_seed(5)
    return OnlineLossLearner(made, loss, OPTIMISERS[optimiser](made.parameters()), **more)


def task_loss_after(optimiser, weights, data, steps, model, settings, share):
    """The task loss after `steps` steps of which only the last one is under `weights`."""
    made = learner(optimiser, None, model, settings, share=share, rate=0.0)
    for number in range(steps - 1):
        made.step(data[number], data[number + 1])
    with torch.no_grad():
        made.adaptive.weights.copy_(weights)
    return made.step(data[steps - 1], data[steps]).task_loss


@pytest.mark.parametrize(
    ("optimiser", "steps", "model", "settings", "share"),
    [
        ("plain", 1, Awkward, SMALL, False),
        ("momentum", 1, Awkward, SMALL, False),
        ("momentum", 3, Awkward, SMALL, True),
        ("nesterov", 2, Awkward, NetworkSettings(hidden=3, output="softplus", classes="sum"), True),
        ("adam", 1, Awkward, SMALL, False),
        ("adam", 3, Awkward, SMALL, True),
        ("adamw", 2, Awkward, SMALL, False),
        ("maximize", 2, Awkward, SMALL, False),
        ("upwards", 2, Awkward, SMALL, False),
        ("two rates", 2, Awkward, SMALL, False),
        ("two rates of adam", 2, Plain, SMALL, True),
        ("momentum", 2, Plain, SMALL, False),
        ("nesterov", 2, Recurrent, SMALL, False),
    ],
)
def test_the_meta_gradient_equals_finite_differences(optimiser, steps, model, settings, share):
    data = batches(steps + 1)
    made = learner(optimiser, None, model, settings, share=share, rate=0.0)
    for number in range(steps):
        made.step(data[number], data[number + 1])
    found = made.adaptive.weights.grad
    start = made.adaptive.weights.detach()
    assert found.abs().max() > 1e-5
    for index in range(0, len(start), 3):
        sides = []
        for shift in (1e-6, -1e-6):
            moved = start.clone()
            moved[index] += shift
            sides.append(task_loss_after(optimiser, moved, data, steps, model, settings, share))
        expected = ((sides[0] - sides[1]) / 2e-6).item()
        assert found[index].item() == pytest.approx(expected, rel=1e-4, abs=2e-8)


def test_an_adaptation_rate_of_zero_is_a_plain_loop():
    data = batches(7, torch.float32)
    made = learner("nesterov", dtype=torch.float32, rate=0.0)
    plain = learner("nesterov", dtype=torch.float32)
    for (x, y), meta in itertools.pairwise(data):
        made.step((x, y), meta)
    torch.manual_seed(5)
    for x, y in data[:6]:
        plain.optimizer.zero_grad()
        plain.adaptive(plain.model(x), y).backward()
        plain.optimizer.step()
    for (name, own), other in zip(
        made.model.state_dict().items(), plain.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6, msg=name)


def test_meta_batches_leave_statistics_and_randomness_alone():
    data = batches(5)
    watched, alone = learner(rate=0.0), learner(rate=0.0)
    for batch in data[:4]:
        watched.step(batch, data[4])
    after = torch.rand(1)
    torch.manual_seed(5)
    for batch in data[:4]:
        alone.step(batch)
    assert torch.equal(after, torch.rand(1))
    assert_same(watched.model, alone.model)


def assert_same(model: nn.Module, other: nn.Module) -> None:
    for own, wanted in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(own, wanted)


def test_a_shared_pass_trains_as_one_that_is_made_again():
    data = batches(6)
    shared, again = (learner("adam", model=Calm, rate=1e-3, share=share) for share in (True, False))
    for batch, following in itertools.pairwise(data):
        shared.step(batch, following)
        again.step(batch, following)
    for own, other in zip(shared.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(shared.adaptive.weights, again.adaptive.weights, rtol=1e-9, atol=1e-12)
    assert int(shared.model.norm.num_batches_tracked) == 6  # the last meta batch waits for its step
    with pytest.raises(ConfigError, match="the training batch of the next"):
        shared.step(data[0])


def test_learning_goes_on_from_a_state_bit_for_bit():
    data = batches(9)
    whole, first, second = (learner("adam", model=Calm, rate=1e-2) for _ in range(3))
    for number in range(8):
        whole.step(data[number], data[number + 1])
    for number in range(4):
        first.step(data[number], data[number + 1])
    second.model.load_state_dict(first.model.state_dict())
    second.adaptive.load_state_dict(first.adaptive.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for number in range(4, 8):
        second.step(data[number], data[number + 1])
    assert_same(second.model, whole.model)
    assert torch.equal(second.adaptive.weights, whole.adaptive.weights)


def test_adaptation_lowers_the_task_loss_of_the_step():
    (batch,) = batches(1)
    before = learner("plain", rate=0.02)
    losses = []
    start = copy.deepcopy(before.model.state_dict())
    for _ in range(40):
        before.model.load_state_dict(start)
        torch.manual_seed(7)
        losses.append(before.step(batch, batch).task_loss.item())
    assert losses[-1] < losses[0] - 0.05


def test_mistakes_are_said():
    model = nn.Linear(3, 2)
    loss = symloss.AdaptiveLoss(2, start="random")
    with pytest.raises(ConfigError, match="SGD, Adam and AdamW, found RMSprop"):
        symloss.OnlineLossLearner(model, loss, torch.optim.RMSprop(model.parameters()))
    with pytest.raises(ConfigError, match="amsgrad"):
        symloss.OnlineLossLearner(model, loss, torch.optim.Adam(model.parameters(), amsgrad=True))
    deep = symloss.OnlineLossLearner(model, loss, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match=r"\(batch, outputs\), found \(2, 5, 2\)"):
        deep.step((torch.zeros(2, 5, 3), torch.zeros(2, dtype=torch.long)))


def test_an_adaptive_loss_begins_as_the_usual_one():
    loss = symloss.AdaptiveLoss(10)
    generator = torch.Generator().manual_seed(0)
    outputs = (1.5 * torch.randn(200, 10, generator=generator)).requires_grad_()
    labels = outputs.argmax(dim=1)  # probabilities far below 0.005, where it is not as steep, are left out
    (found,) = torch.autograd.grad(loss(outputs, labels), outputs)
    (usual,) = torch.autograd.grad(functional.cross_entropy(outputs, labels), outputs)
    assert (found - usual).norm() < 0.15 * usual.norm()
    with pytest.raises(ConfigError, match="start='random'"):
        symloss.AdaptiveLoss(10, settings=ML3)


def test_an_adaptive_loss_for_values_begins_as_the_squared_error():
    loss = symloss.AdaptiveLoss(1, "regression")
    outputs = torch.linspace(-2, 2, 50)[:, None].requires_grad_()
    targets = outputs.detach().flip(0)
    (found,) = torch.autograd.grad(loss(outputs, targets), outputs)
    (usual,) = torch.autograd.grad(functional.mse_loss(outputs, targets), outputs)
    assert (found - usual).norm() < 0.15 * usual.norm()


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
@pytest.mark.parametrize("classes", ["mean", "sum"])
def test_a_step_tells_the_loss_before_it(kind, classes):
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    loss = LossNetwork(kind, NetworkSettings(hidden=3, classes=classes))
    x = torch.randn(7, 5)
    labels = {"multiclass": torch.randint(3, (7,)), "binary": torch.randint(2, (7, 3)).float()}
    y = labels.get(kind, torch.randn(7, 3))
    expected = loss(model(x), y).detach()
    learner = OnlineLossLearner(model, loss, torch.optim.SGD(model.parameters(), lr=0.1))
    assert torch.allclose(learner.step((x, y)).loss, expected, rtol=1e-6)
