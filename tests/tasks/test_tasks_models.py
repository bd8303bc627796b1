"""Base models: sizes, shapes, initialisation, and that they run under vmap."""

import pickle

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from symloss.tasks import MODELS, model_maker

CASES = [
    *[(name, (7,)) for name, row in MODELS.items() if not row.images],
    *[(name, (1, 8, 8)) for name in MODELS],
    ("lenet5", (3, 16, 20)),
    ("lenet5", (1, 28, 28)),
    ("lenet5", (1, 4, 4)),
]


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "parameters"),
    [
        ("lenet5", (1, 28, 28), 10, 44_426),  # 156 + 2416 + 30840 + 10164 + 850
        ("lenet5", (1, 8, 8), 10, 21_386),  # the same with 64 instead of 256 inputs to the first layer
        ("linear", (1, 28, 28), 10, 7_850),
        ("mlp", (10,), 1, 4_929),
        ("mlp-1000", (784,), 10, 1_796_010),
    ],
)
def test_number_of_parameters(name, shape, outputs, parameters):
    model = model_maker(name, shape, outputs)()
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_stacked_models_equal_one_by_one(name, shape):
    make = model_maker(name, shape, 4)
    models = [make() for _ in range(3)]
    x = torch.randn(6, *shape)
    parameters, buffers = stack_module_state(models)
    base = make()

    def forward(parameters, buffers, x):
        return functional_call(base, (parameters, buffers), (x,))

    stacked = vmap(forward, in_dims=(0, 0, None))(parameters, buffers, x)
    alone = torch.stack([model(x) for model in models])
    assert stacked.shape == (3, 6, 4)
    torch.testing.assert_close(stacked, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(alone[0], alone[1]), "fresh models are all alike"


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_global_seed_decides_the_weights(name, shape):
    make = model_maker(name, shape, 2)
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(torch.cat([p.flatten() for p in make().parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_linear_layers_start_as_in_evomal():
    layer = model_maker("linear", (50,), 30)()[-1]
    assert torch.all(layer.bias == 0)
    bound = (6 / 80) ** 0.5  # Xavier-uniform
    assert 0.9 * bound < layer.weight.abs().max() <= bound


def test_makers_travel_between_processes():
    make = pickle.loads(pickle.dumps(model_maker("lenet5", (1, 8, 8), 10)))
    assert make()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
