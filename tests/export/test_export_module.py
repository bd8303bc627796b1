"""A loss as an object is the module of its exported file."""

import copy
import io
import pickle
import runpy
from types import SimpleNamespace

import pytest
import torch

import symloss
from symloss.errors import ExportError
from symloss.export import TorchLoss, torch_module, write_export
from symloss.expr import parse_expression
from symloss.records import Kind, SymbolicLoss

LOSSES = {
    "1.5 * y * (1 - pow(p, 0.75))": Kind.MULTICLASS,
    "square(p - y) + 0.1 * p": Kind.MULTICLASS,
    "-(y * ln(p))": Kind.MULTICLASS,
    "abs(p - y) - 0.3 * y * log(p)": Kind.BINARY,
    "abs(p - y) + 0.3 * square(p - y)": Kind.REGRESSION,
    "inv(pow(p, exp(y)))": Kind.REGRESSION,  # written in its plain form
}


def loss_of(text, reduction="mean"):
    return SymbolicLoss(parse_expression(text), LOSSES[text], reduction)


def cases(kind):
    """Outputs, targets and options of the module, as torch's own losses take them."""
    z = torch.randn(8, 5, 3)
    if kind is Kind.MULTICLASS:
        ids, weight = torch.randint(0, 5, (8, 3)), torch.rand(5)
        options = ({}, {"weight": weight}, {"ignore_index": 2}, {"weight": weight, "ignore_index": 2})
        return [(z, ids, own) for own in options] + [
            (z, z.softmax(1), {"weight": weight}),
            (z[0, :, 0], ids[0, 0], {}),
            (z.half(), ids, {}),
        ]
    y = (z > 0.2).float()
    return [
        (z, y, {}),
        (z, y, {"weight": torch.rand(8, 5, 3)}),
        (z[:, :1, 0], y[:, 0, 0], {}),
        (z.half(), y, {}),
    ]


@pytest.mark.parametrize("text", LOSSES)
def test_it_does_what_the_exported_file_does(text, tmp_path):
    loss = loss_of(text)
    write_export(loss, tmp_path / "loss.py")
    file = SimpleNamespace(**runpy.run_path(str(tmp_path / "loss.py")))
    for z, y, options in cases(loss.kind):
        for reduction in ("mean", "sum", "none"):
            expected, found = z.clone().requires_grad_(), z.clone().requires_grad_()
            right = file.Loss(reduction=reduction, **options)(expected, y)
            module = torch_module(loss, reduction=reduction, **options)
            value = module(found, y)
            assert value.dtype == right.dtype
            assert torch.equal(value, right)
            value.sum().backward()
            right.sum().backward()
            assert torch.equal(found.grad, expected.grad)


def test_what_does_not_fit_is_refused_as_there():
    module = torch_module(loss_of("abs(p - y) + 0.3 * square(p - y)"))
    with pytest.raises(ValueError, match="does not fit input"):
        module(torch.zeros(4, 2), torch.zeros(2, 4))
    with pytest.raises(ExportError, match="ignore_index"):
        torch_module(loss_of("abs(p - y) + 0.3 * square(p - y)"), ignore_index=3)
    with pytest.raises(ExportError, match="export it without learnable constants"):
        torch_module(symloss.load_loss("sparse-lsr").loss, learnable=True)


def test_the_reduction_of_the_loss_is_the_default():
    z, y = torch.randn(4, 5), torch.arange(4)
    assert torch_module(loss_of("-(y * ln(p))", "none"))(z, y).shape == (4,)


@pytest.mark.parametrize(
    ("text", "option", "known"),
    [
        ("-(y * ln(p))", "redaction", "weight, ignore_index, reduction"),
        ("abs(p - y) + 0.3 * square(p - y)", "ignore_index", "weight, reduction"),
    ],
)
def test_an_option_that_a_module_does_not_have_is_told(text, option, known):
    kind = LOSSES[text].value
    with pytest.raises(
        ExportError, match=f"a {kind} loss has no option '{option}', its options are {known};"
    ):
        torch_module(loss_of(text), **{option: 1})


@pytest.mark.parametrize("learnable", [False, True])
def test_it_is_saved_copied_and_read_back(learnable):
    loss = loss_of("1.5 * y * (1 - pow(p, 0.75))")
    module = torch_module(loss, learnable, weight=torch.rand(5), ignore_index=1, reduction="sum")
    if learnable:
        with torch.no_grad():
            module.constants[0] = 2.5
    z, y = torch.randn(6, 5), torch.arange(6) % 5
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert isinstance(again, TorchLoss)
        assert torch.equal(again(z, y), module(z, y))
        assert symloss.from_torch(again) == symloss.from_torch(module)
    stored = io.BytesIO()
    torch.save(module.state_dict(), stored)
    stored.seek(0)
    other = torch_module(loss, learnable, weight=torch.ones(5), ignore_index=1, reduction="sum")
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(other(z, y), module(z, y))
    formula = "2.5 * y * (1 - pow(p, 0.75))" if learnable else "1.5 * y * (1 - pow(p, 0.75))"
    assert symloss.from_torch(module).expression == parse_expression(formula)
    assert formula in repr(module)
    assert module._repr_latex_().startswith("$")
    assert len(list(module.parameters())) == learnable
