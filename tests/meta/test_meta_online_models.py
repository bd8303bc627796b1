"""Online adaptation of models that do unusual things: its gradient is that of a differentiable step."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from symloss.errors import ConfigError
from symloss.losses.neural import LossNetwork, NetworkSettings
from symloss.meta.online.learner import OnlineLossLearner
from symloss.workers import one_thread

RATE = 0.3


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


class Between(nn.Module):
    """Two layers, and something between them."""

    def __init__(self, between) -> None:
        super().__init__()
        self.first, self.last, self.between = nn.Linear(16, 6), nn.Linear(6, 4), between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.between(self.first(x.flatten(1))))


def stopped(h):
    with torch.no_grad():
        gate = torch.sigmoid(h)
    return h * gate


def clamped(h):
    with torch.no_grad():
        h.clamp_(-0.1, 0.1)
    return h


def looking(h):
    return torch.tanh(h) if torch.is_grad_enabled() else h


class Energy(nn.Module):
    """Its features are the slopes of a number by its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 6), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1).detach().requires_grad_()
        h = self.first(x)
        number = (torch.tanh(h) + h.square()).sum()
        return self.last(torch.autograd.grad(number, x, create_graph=True)[0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.out = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(x[:, 0]).mean(1))


class Unbatched(nn.Module):
    """A convolution of single images, of which only the bias is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 1)
        self.conv.weight.requires_grad_(False)
        self.out = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = [torch.tanh(self.conv(own)).mean((1, 2)) for own in x]
        return self.out(torch.stack(rows))


MODELS = {
    "no_grad within": lambda: Between(stopped),
    "no_grad, in place": lambda: Between(clamped),
    "a derivative of its own": Energy,
    "looks at the grad mode": lambda: Between(looking),
    "func.grad": lambda: Between(torch.func.grad(lambda h: (torch.tanh(h) + h.square()).sum())),
    "func.jvp": lambda: Between(lambda h: torch.func.jvp(torch.tanh, (h,), (torch.ones_like(h),))[1]),
    "vmap": lambda: Between(torch.func.vmap(torch.tanh)),
    "complex tanh": lambda: Between(lambda h: torch.tanh(torch.fft.fft(h)).abs()),
    "complex sigmoid": lambda: Between(lambda h: torch.sigmoid(torch.fft.fft(h)).real),
    "by keyword": lambda: Between(lambda h: functional.relu(input=functional.tanh(input=h))),
    "attention": Attention,
    "unbatched": Unbatched,
}


def batch(seed: int):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(6, 1, 4, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(4, (6,), generator=generator)


def loss_network() -> LossNetwork:
    settings = NetworkSettings(hidden=3, smoothness=2.0)
    return LossNetwork("multiclass", settings, torch.Generator().manual_seed(1)).double()


def built(model) -> nn.Module:
    torch.manual_seed(0)
    return model().double()


def adapted(model: nn.Module) -> torch.Tensor:
    """The meta-gradient of one step."""
    adaptive = loss_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    OnlineLossLearner(model, adaptive, optimizer, rate=0.0).step(batch(2), batch(3))
    assert adaptive.weights.grad is not None
    return adaptive.weights.grad


def by_autograd(model: nn.Module) -> torch.Tensor:
    """The same by double differentiation."""
    adaptive, (x, y), (xv, yv) = loss_network(), batch(2), batch(3)
    trained = {name: own for name, own in model.named_parameters() if own.requires_grad}
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        loss = adaptive(model(x), y)
        slopes = torch.autograd.grad(loss, list(trained.values()), create_graph=True)
        stepped = {n: own - RATE * slope for (n, own), slope in zip(trained.items(), slopes, strict=True)}
        outputs = functional_call(model, stepped, (xv,))
        (found,) = torch.autograd.grad(functional.cross_entropy(outputs, yv), adaptive.weights)
    return found


@pytest.mark.filterwarnings("ignore:.torch.jit.script")  # of torch's own, at the first jvp
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_meta_gradient_is_that_of_a_differentiable_step(model):
    expected = by_autograd(built(model))
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(adapted(built(model)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_model_adapts_as_it_would_otherwise(whole):
    expected = adapted(built(MODELS["by keyword"]))
    model = built(MODELS["by keyword"])
    if whole:
        model = torch.compile(model, backend="eager")
    else:
        model.first.compile(backend="eager")
    torch.testing.assert_close(adapted(model), expected)
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at what it compiles
def test_a_compiled_function_within_a_model_is_noticed():
    within = torch.compile(lambda h: torch.tanh(torch.tanh(h) * 2.0), backend="eager")
    expected = adapted(built(lambda: Between(lambda h: torch.tanh(torch.tanh(h) * 2.0))))
    torch.testing.assert_close(adapted(built(lambda: Between(within))), expected)
    torch.compiler.reset()


def test_a_model_that_writes_over_its_inputs_is_refused():
    class Greedy(Between):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.sub_(1.0))

    with pytest.raises(ConfigError, match=r"writes over its inputs.*begin with a copy"):
        adapted(built(lambda: Greedy(torch.tanh)))


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_a_scripted_model_is_refused():
    scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(16, 4))).double()
    with pytest.raises(ConfigError, match="scripted models"):
        adapted(scripted)
