"""Base models: sizes, shapes, initialisation, and that those without memory run under vmap."""

import pickle

import pytest
import torch
from documents import TOP
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from symloss.errors import TaskError
from symloss.tasks import MODELS, model_maker, names

LARGE = sorted(name for name, row in MODELS.items() if row.smallest and name != "lenet5")
CASES = [
    *[(name, (7,)) for name, row in MODELS.items() if not row.smallest],
    *[(name, (1, 8, 8)) for name in MODELS if name not in LARGE],
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
        # As published, or, where only millions are, as these layers give: 23.27, 14.73, 1.37, 0.78, 11.17,
        # 11.17, 11.0, 36.5, 8.9 and 1.7 million.
        ("alexnet", (3, 32, 32), 10, 23_272_266),
        ("vgg16", (3, 32, 32), 10, 14_728_266),
        ("allcnn-c", (3, 32, 32), 10, 1_372_254),
        ("squeezenet", (3, 32, 32), 100, 781_156),
        ("resnet18", (3, 32, 32), 10, 11_173_962),
        ("preresnet18", (3, 32, 32), 10, 11_171_146),
        ("wrn-16-8", (3, 32, 32), 10, 10_961_370),
        ("wrn-28-10", (3, 32, 32), 10, 36_479_194),
        ("wrn-40-4", (3, 32, 32), 10, 8_949_210),
        ("pyramidnet", (3, 32, 32), 10, 1_739_730),
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


@pytest.mark.parametrize("name", LARGE)
def test_large_models_take_images_of_other_sizes(name):
    smallest = MODELS[name].smallest
    for shape in ((1, smallest, smallest), (3, smallest + 1, smallest + 5)):
        model = model_maker(name, shape, 5)().eval()
        assert model(torch.randn(2, *shape)).shape == (2, 5)
    with pytest.raises(TaskError, match=f"at least {smallest}x{smallest} pixels"):
        model_maker(name, (3, smallest - 1, 40), 5)


@pytest.mark.parametrize("name", LARGE)
def test_signals_keep_their_size_through_large_models(name):
    """Outputs of untrained networks neither vanish nor saturate softmax, in either mode."""
    torch.manual_seed(0)
    model = model_maker(name, (3, 32, 32), 10)()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a single pass says what the statistics are
    x = torch.randn(4, 3, 32, 32)
    for mode in (True, False):
        spread = model.train(mode)(x).detach().std()
        assert 0.01 < spread < 2, f"{name} in training {mode}: {spread}"


def test_the_names_at_the_command_line_are_all_models():
    assert set(names.MODELS) == set(MODELS)


def test_linear_layers_start_as_in_evomal():
    layer = model_maker("linear", (50,), 30)()[-1]
    assert torch.all(layer.bias == 0)
    bound = (6 / 80) ** 0.5  # Xavier-uniform
    assert 0.9 * bound < layer.weight.abs().max() <= bound


def test_makers_travel_between_processes():
    make = pickle.loads(pickle.dumps(model_maker("lenet5", (1, 8, 8), 10)))
    assert make()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_the_document_lists_every_model():
    page = (TOP / "docs" / "tasks.md").read_text(encoding="utf-8")
    for name in MODELS:
        assert f"`{name}`" in page
