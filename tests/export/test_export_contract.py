"""Exported PyTorch files keep torch's conventions: the module takes the place of one of torch's own."""

import dataclasses
import functools
import importlib.util
import io
import itertools
import pickle
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from symloss.export import Header
from symloss.export.forms import careful_form, plain_form
from symloss.export.targets import TARGETS
from symloss.expr import parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind, SymbolicLoss


@functools.cache
def module_of(text):
    """The text of an exported file, imported as a user would import it."""
    name = f"exported_{abs(hash(text))}"
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader=None))
    sys.modules[name] = module
    exec(compile(text, name, "exec"), module.__dict__)
    return module


def exported(loss, form=careful_form):
    return module_of(TARGETS["torch"].emit(form(loss), Header()))


def of(name):
    return exported(CATALOGUE[name].loss())


def formula(text, kind):
    return exported(SymbolicLoss(parse_expression(text), kind))


def gradient(compute, *leaves):
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    value = compute(*leaves)
    found = torch.autograd.grad(value.sum(), leaves)
    return value.detach(), *found


def with_options(loss, y, options=None):
    """`loss` as a function of the outputs alone."""
    return lambda z: loss(z, y, **(options or {}))


def agree(ours, theirs, *leaves, rtol=1e-10, atol=1e-12):
    """Value and gradient."""
    for a, b in zip(gradient(ours, *leaves), gradient(theirs, *leaves), strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True)


# --- cross-entropy, in every way it can be called -------------------------------------------------


def unrecognised(loss):
    """The careful form, as if it were not known to be cross-entropy."""
    return dataclasses.replace(careful_form(loss), scale=None)


# The same loss by three roads: recognised, through the true class's log-probability, and over all classes.
CROSS_ENTROPY = SymbolicLoss(parse_expression("-(y * ln(p))"), Kind.MULTICLASS)
CROSS_ENTROPIES = {
    "recognised": exported(CROSS_ENTROPY),
    "scaled": formula("0.5 * (-2 * (y * ln(p)))", Kind.MULTICLASS),
    "true class": exported(CROSS_ENTROPY, unrecognised),
    "all classes": exported(CROSS_ENTROPY, lambda loss: dataclasses.replace(unrecognised(loss), sample=None)),
}


SHAPES = [(7, 5), (5,), (3, 5, 4), (2, 5, 3, 2), (0, 5)]


@pytest.mark.parametrize("road", CROSS_ENTROPIES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_is_torchs_for_class_ids(road, shape):
    loss = CROSS_ENTROPIES[road]
    torch.manual_seed(0)
    z = 3.0 * torch.randn(shape, dtype=torch.float64)
    dim = 1 if len(shape) > 1 else 0
    y = torch.randint(0, 5, shape[:dim] + shape[dim + 1 :])
    weight = torch.rand(5, dtype=torch.float64) + 0.1
    for w, ignore, reduction in itertools.product([None, weight], [-100, 2], ["mean", "sum", "none"]):
        options = {"weight": w, "ignore_index": ignore, "reduction": reduction}
        agree(with_options(loss.loss, y, options), with_options(functional.cross_entropy, y, options), z)
        agree(with_options(loss.Loss(**options), y), with_options(nn.CrossEntropyLoss(**options), y), z)


@pytest.mark.parametrize("road", CROSS_ENTROPIES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_is_torchs_for_probabilities(road, shape):
    loss = CROSS_ENTROPIES[road].loss
    torch.manual_seed(1)
    dim = 1 if len(shape) > 1 else 0
    z = 3.0 * torch.randn(shape, dtype=torch.float64)
    y = torch.rand(shape, dtype=torch.float64).softmax(dim)
    weight = torch.rand(5, dtype=torch.float64)
    for w, reduction in itertools.product([None, weight], ["mean", "sum", "none"]):
        options = {"weight": w, "reduction": reduction}
        agree(with_options(loss, y, options), with_options(functional.cross_entropy, y, options), z)


def test_samples_that_are_all_ignored_have_torchs_mean():
    for loss in CROSS_ENTROPIES.values():
        assert loss.loss(torch.zeros(2, 3), torch.tensor([-100, -100])).isnan()
        assert loss.loss(torch.zeros(2, 3), torch.tensor([-100, -100]), reduction="sum") == 0.0


def test_label_smoothing_is_torchs_with_weights_too():
    loss = of("label-smoothing").loss
    z, y = torch.randn(9, 6, 2, dtype=torch.float64), torch.randint(0, 6, (9, 2))
    y[0, 0] = 3
    weight = torch.rand(6, dtype=torch.float64) + 0.1
    for w, ignore in itertools.product([None, weight], [-100, 3]):
        options = {"weight": w, "ignore_index": ignore}
        agree(
            with_options(loss, y, options),
            with_options(functional.cross_entropy, y, {**options, "label_smoothing": 0.1}),
            z,
        )


# --- one loss for each value ----------------------------------------------------------------------

ELEMENTWISE = {
    "binary-cross-entropy": functional.binary_cross_entropy_with_logits,
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


@pytest.mark.parametrize("shape", [(6,), (6, 1), (3, 4), (2, 3, 4), (), (0, 2)], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_losses_of_values_are_torchs(name, shape):
    torch.manual_seed(2)
    z, y = 2.0 * torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    y = torch.sigmoid(y) if name == "binary-cross-entropy" else y
    ours, theirs = of(name), ELEMENTWISE[name]
    for w, reduction in itertools.product([None, torch.rand(shape).double() + 0.1], ["mean", "sum", "none"]):
        if name == "huber" and w is not None and reduction == "mean":
            continue  # torch divides by the number here and by the sum of weights elsewhere; we, by the sum
        options = {"weight": w, "reduction": reduction}
        agree(with_options(ours.loss, y, options), with_options(theirs, y, options), z)
        agree(with_options(ours.Loss(**options), y), with_options(theirs, y, options), z)


@pytest.mark.parametrize("name", ["mse", "binary-cross-entropy"])
def test_targets_of_another_shape_are_refused(name):
    """Six numbers as (3, 2) are not those of (2, 3); dimensions of one make no difference."""
    loss = of(name).loss
    z = torch.rand(2, 3)
    for target in (torch.rand(3, 2), torch.rand(6), torch.rand(3), torch.tensor(0.5)):
        with pytest.raises(ValueError, match=r"does not fit input \(2, 3\)"):
            loss(z, target)
    torch.testing.assert_close(loss(z[None], z[:, None]), loss(z, z))


# --- what torch does with modules -----------------------------------------------------------------


def data(kind, dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    z = 2.0 * torch.randn(6, 4, dtype=dtype, generator=generator)
    if kind is Kind.MULTICLASS:
        return z, torch.randint(0, 4, (6,), generator=generator)
    return z, torch.rand(6, 4, generator=generator)


EVERY = sorted(CATALOGUE)
VARIED = ["cross-entropy", "sparse-lsr", "label-smoothing", "brier", "focal", "binary-cross-entropy", "huber"]


@pytest.mark.parametrize("name", VARIED)
def test_a_module_pickles_and_has_the_state_of_torchs(name):
    kind = CATALOGUE[name].kinds[0]
    z, y = data(kind)
    weight = torch.rand(4) if kind is Kind.MULTICLASS else torch.rand(6, 4)
    module = of(name).Loss(weight, reduction="sum")
    again = pickle.loads(pickle.dumps(module))
    torch.testing.assert_close(again(z, y), module(z, y))
    assert list(module.state_dict()) == list(nn.CrossEntropyLoss(weight).state_dict()) == ["weight"]
    assert list(of(name).Loss().state_dict()) == []
    assert module.double().weight.dtype == torch.float64


# Of torch's own making: its tracer instantiates functions, its compiler uses torch.jit.
torchs_own_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@torchs_own_warnings
@pytest.mark.parametrize("name", EVERY)
def test_a_loss_compiles_in_one_graph(name):
    kind = CATALOGUE[name].kinds[0]
    z, y = data(kind)
    module = of(name).Loss()
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    agree(lambda z: compiled(z, y), lambda z: module(z, y), z, rtol=1e-5, atol=1e-6)


@torchs_own_warnings
@pytest.mark.parametrize("name", ["sparse-lsr", "label-smoothing"])
def test_a_loss_of_the_number_of_classes_is_exported_for_any(name):
    """What was a Python number would be that of the first classes for ever."""
    sizes = {1: torch.export.Dim("classes", min=2, max=100)}
    example = torch.randn(4, 5), torch.tensor([0, 4, 2, 1])
    program = torch.export.export(of(name).Loss(), example, dynamic_shapes={"input": sizes, "target": None})
    for classes in (3, 40):
        z, y = torch.randn(4, classes), torch.tensor([2, 0, 1, 1])
        torch.testing.assert_close(program.module()(z, y), of(name).loss(z, y))


@torchs_own_warnings
@pytest.mark.parametrize("name", ["sparse-lsr", "generalised-cross-entropy"])
def test_a_loss_compiles_with_the_default_compiler(name):
    z, y = data(Kind.MULTICLASS)
    torch._dynamo.reset()
    compiled = torch.compile(of(name).loss, fullgraph=True)
    agree(lambda z: compiled(z, y), lambda z: of(name).loss(z, y), z, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_vmap_is_a_loop(name):
    kind = CATALOGUE[name].kinds[0]
    loss = functools.partial(of(name).loss, reduction="sum")
    zs, ys = zip(*(data(kind) for _ in range(3)), strict=True)
    z, y = torch.stack([z + i for i, z in enumerate(zs)]), torch.stack(ys)
    torch.testing.assert_close(
        torch.vmap(loss)(z, y), torch.stack([loss(a, b) for a, b in zip(z, y, strict=True)])
    )
    mapped = torch.vmap(torch.func.grad(loss))(z, y)
    looped = torch.stack([torch.func.grad(loss)(a, b) for a, b in zip(z, y, strict=True)])
    torch.testing.assert_close(mapped, looped)


@pytest.mark.parametrize("name", EVERY)
def test_losses_of_samples_may_be_written_over_and_have_a_jacobian(name):
    kind = CATALOGUE[name].kinds[0]
    z, y = data(kind, torch.float64)

    def values(z):
        return of(name).loss(z, y, reduction="none")

    leaf = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(2 * values(leaf).sum(), leaf)
    written = values(leaf)
    written.mul_(2)
    torch.testing.assert_close(torch.autograd.grad(written.sum(), leaf)[0], expected)
    one_by_one, at_once = (torch.autograd.functional.jacobian(values, z, vectorize=v) for v in (False, True))
    torch.testing.assert_close(at_once, one_by_one)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["focal", "sparse-lsr", "poly-1"])
def test_a_traced_loss_can_be_saved_and_leaves_samples_out(name, tmp_path):
    z, y = data(Kind.MULTICLASS)
    traced = torch.jit.trace(of(name).Loss(), (z, y))
    traced.save(tmp_path / "loss.pt")
    again = torch.jit.load(tmp_path / "loss.pt")
    some = y.clone()
    some[0] = -100
    for target in (y, some):
        torch.testing.assert_close(again(z, target), of(name).loss(z, target))


@pytest.mark.parametrize("name", EVERY)
def test_second_derivatives_are_those_of_finite_differences(name):
    kind = CATALOGUE[name].kinds[0]
    z, y = data(kind, torch.float64)
    loss = of(name).loss
    torch.manual_seed(5)
    direction = torch.randn_like(z)

    def slope(z):
        z = z.detach().requires_grad_()
        (found,) = torch.autograd.grad(loss(z, y), z, create_graph=True)
        return z, (found * direction).sum()

    leaf, pushed = slope(z)
    second = torch.zeros_like(z)
    if pushed.requires_grad:
        (second,) = torch.autograd.grad(pushed, leaf, allow_unused=True, materialize_grads=True)
    step = 1e-5 * torch.randn_like(z)
    expected = (slope(z + step)[1] - slope(z - step)[1]).item() / 2
    assert (second * step).sum().item() == pytest.approx(expected, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("name", ["sparse-lsr", "focal"])
def test_a_graph_may_be_used_again_and_gradients_that_were_handed_out_stay(name):
    """The buffer of the forward pass becomes the gradient; a second pass must not find it spent."""
    z = torch.randn(200, 1000, dtype=torch.float64, requires_grad=True)
    y = torch.randint(1000, (200,))
    value = of(name).loss(z, y)
    (first,) = torch.autograd.grad(value, z, retain_graph=True)
    kept = first.clone()
    for _ in range(2):
        (again,) = torch.autograd.grad(value, z, retain_graph=True)
        torch.testing.assert_close(again, kept)
    assert torch.equal(first, kept)


HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_under_autocast_a_loss_is_computed_in_single_precision(name, dtype):
    z, y = data(CATALOGUE[name].kinds[0])
    z = z.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        found = of(name).loss(z, y)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, of(name).loss(z.float(), y))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, *HALVES], ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_outputs_of_ten_thousand_give_finite_values_and_gradients(name, dtype):
    kind = CATALOGUE[name].kinds[0]
    eye = 1e4 * torch.eye(3)
    z = torch.cat([eye, -eye, torch.zeros(1, 3), torch.full((1, 3), 1e4), torch.full((1, 3), -1e4)]).to(dtype)
    if kind is Kind.MULTICLASS:
        z, y = z.repeat_interleave(3, 0), torch.arange(3).repeat(9)
    elif kind is Kind.BINARY:
        y = (torch.arange(27).reshape(9, 3) % 2).float()
    else:
        y = torch.tensor([-1e2, 0.0, 1e2]).expand(9, 3)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype in HALVES):
        value, slope = gradient(lambda z: of(name).loss(z, y), z)
    assert value.isfinite()
    assert slope.isfinite().all()


# --- laws of the sparse form ----------------------------------------------------------------------

SPARSE = {
    "-(y * log(p))": False,
    "y * (1 - pow(p, 0.7))": False,
    "abs(p - y)": True,  # its other classes add up to 1 - p of the true one
    "abs(log(0.98 * y * p + 0.001))": True,  # to a constant
    "0.3 * (1 - y) * p - y * log(p)": True,
    "-((0.9 * y + 0.1 * inv(C)) * ln(p))": True,  # to the sum of all logarithms
    "-(y * ln(1 - p))": False,
}
DENSE = ["square(p - y)", "tanh(p * y - 0.3 * p)", "-log(1 - p) * (1 - y)"]


@pytest.mark.parametrize("text", SPARSE)
def test_formulas_that_need_the_true_class_alone_are_recognised(text):
    form = careful_form(SymbolicLoss(parse_expression(text), Kind.MULTICLASS))
    assert form.sample is not None
    assert form.others == SPARSE[text]


@pytest.mark.parametrize("text", DENSE)
def test_formulas_that_need_all_classes_are_not(text):
    assert careful_form(SymbolicLoss(parse_expression(text), Kind.MULTICLASS)).sample is None


@pytest.mark.parametrize("text", [*SPARSE, *DENSE])
def test_class_ids_weights_and_one_hot_probabilities_are_one_loss(text):
    """Whichever road is taken; for probabilities "mean" divides by samples, so sums are compared."""
    loss = formula(text, Kind.MULTICLASS).loss
    torch.manual_seed(6)
    z, y = torch.randn(8, 5, dtype=torch.float64), torch.randint(0, 5, (8,))
    hot = functional.one_hot(y, 5).double()
    for w in (None, torch.rand(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)):
        options = {"weight": w, "reduction": "sum"}
        agree(with_options(loss, y, options), with_options(loss, hot, options), z)
    images = z.t().reshape(1, 5, 2, 4)
    agree(
        lambda z: loss(z.t().reshape(1, 5, 2, 4), y.reshape(1, 2, 4), reduction="none").flatten(),
        lambda z: loss(z, y, reduction="none"),
        z,
    )
    assert images.shape == (1, 5, 2, 4)


def test_the_plain_form_keeps_the_conventions_too():
    loss = SymbolicLoss(parse_expression("square(p - y)"), Kind.MULTICLASS)
    plain, careful = exported(loss, plain_form), exported(loss)
    z, y = torch.randn(4, 3, 2), torch.randint(0, 3, (4, 2))
    options = {"weight": torch.rand(3), "ignore_index": 1}
    torch.testing.assert_close(plain.loss(z, y, **options), careful.loss(z, y, **options))


POINTWISE = {
    "inv(pow(p, exp(y)))": Kind.REGRESSION,  # the power rounds to 0, whose sign is 0
    "sign(exp(p - 800)) + p": Kind.REGRESSION,
    "log(1 + exp(3 * p)) - y * p": Kind.REGRESSION,
    "abs(log(0.7 * p * (1 - p))) + y * p": Kind.BINARY,
    "exp(-(y * log(1 - p))) - 1 + sqrt(p)": Kind.MULTICLASS,
    "log(inv(p) * sigmoid(p)) * (y - 0.3)": Kind.MULTICLASS,
    "max(p, 0.25) * log(1 + p) + aq(y, p)": Kind.MULTICLASS,
}


@pytest.mark.parametrize("text", POINTWISE)
def test_careful_code_is_the_search_between_the_points_of_the_grid_too(text):
    from symloss.losses.symbolic import SymbolicLossModule

    kind = POINTWISE[text]
    loss = SymbolicLoss(parse_expression(text), kind, "none")
    generator = torch.Generator().manual_seed(7)
    scale = 8.0 * torch.rand(2000, 1, dtype=torch.float64, generator=generator)
    z = scale * torch.randn(2000, 4, dtype=torch.float64, generator=generator)
    y = torch.rand(2000, 4, dtype=torch.float64, generator=generator)
    y = y.softmax(-1) if kind is Kind.MULTICLASS else y if kind is Kind.BINARY else scale * (y - 0.5)
    agree(
        with_options(exported(loss).loss, y),
        with_options(SymbolicLossModule(loss), y),
        z,
        rtol=1e-6,
        atol=1e-9,
    )


# --- mistakes -------------------------------------------------------------------------------------


def test_mistakes_get_a_sentence():
    loss = of("focal").loss
    z = torch.zeros(3, 4)
    with pytest.raises(ValueError, match=r"class ids \(4,\) do not fit input \(3, 4\)"):
        loss(z, torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"probabilities \(3,\) do not fit input \(3, 4\)"):
        loss(z, torch.zeros(3))
    with pytest.raises(ValueError, match="ignore_index is a class id, and target has probabilities"):
        loss(z, z.softmax(1), ignore_index=1)
    with pytest.raises(ValueError, match="found 'average'"):
        loss(z, torch.zeros(3, dtype=torch.long), reduction="average")
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        loss(z, torch.tensor([0, 1, 4]))
    with pytest.raises(ValueError, match="at least two classes, found 1"):
        of("sparse-lsr").loss(z[:, :1], torch.zeros(3, dtype=torch.long))
    for name in ("mse", "binary-cross-entropy"):
        with pytest.raises(ValueError, match="found 'average'"):
            of(name).loss(z, z, reduction="average")


# --- constants that learn -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_learnable_constants_have_the_gradient_of_finite_differences(kind):
    text = "1.3 * abs(log(0.7 * p + 0.2)) * (y + 0.5) + square(0.4 * p - y)"
    loss = SymbolicLoss(parse_expression(text), kind)
    file = exported(loss, lambda own: careful_form(own, tunable=True))
    module = file.Loss()
    z, y = data(kind, torch.float64)
    torch.testing.assert_close(module(z, y), exported(loss).loss(z, y))
    module(z, y).backward()
    assert module.constants.dtype == torch.float64
    for i in range(len(module.constants)):
        step = torch.zeros_like(module.constants)
        step[i] = 1e-6
        high, low = (file.loss(z, y, (module.constants + s).detach()) for s in (step, -step))
        assert module.constants.grad[i].item() == pytest.approx(
            (high - low).item() / 2e-6, rel=1e-5, abs=1e-8
        )
    assert not any(p.requires_grad for p in file.Loss(learnable=False).parameters())


def test_a_true_class_of_constants_alone_can_learn_too():
    """At y = 1 this is 1 - c, which the network's outputs are no part of."""
    loss = SymbolicLoss(parse_expression("pow(y, p) - 0.3"), Kind.MULTICLASS)
    form = careful_form(loss, tunable=True)
    assert form.split is not None
    z, y = data(Kind.MULTICLASS, torch.float64)
    module = exported(loss, lambda own: form).Loss()
    agree(with_options(module, y), with_options(exported(loss, plain_form).loss, y), z)
    module(z, y).backward()
    torch.testing.assert_close(module.constants.grad, torch.full((1,), -4.0, dtype=torch.float64))


def test_a_trained_module_goes_back_into_a_formula(tmp_path):
    from symloss import from_torch
    from symloss.export.read import constants_in, read_export, with_values

    loss = SymbolicLoss(parse_expression("1.3 * (y * square(0.7 - p)) + 0.2 * p"), Kind.MULTICLASS, "sum")
    text = TARGETS["torch"].emit(careful_form(loss, tunable=True), Header())
    module = module_of(text).Loss()
    assert module.reduction == "sum"
    module_home = sys.modules[type(module).__module__]
    module_home.__doc__ = text.split('"""')[1]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    z, y = data(Kind.MULTICLASS)
    module(z, y).backward()
    optimizer.step()
    found = from_torch(module)
    assert found != loss
    assert found.reduction == "sum"
    torch.testing.assert_close(exported(found).loss(z, y), module(z, y))
    (tmp_path / "loss.py").write_text(text)
    torch.save(module.state_dict(), tmp_path / "state.pt")
    again = with_values(read_export(tmp_path / "loss.py").loss, constants_in(tmp_path / "state.pt"))
    assert again == found


def test_a_state_is_read_without_unpickling(tmp_path):
    from symloss.errors import ExportError
    from symloss.export.read import constants_in

    class Hostile:
        def __reduce__(self):
            return print, ("executed",)

    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"constants": Hostile()}))
    torch.save({"constants": Hostile()}, tmp_path / "worse.pt")
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pt")
    for name in ("bad.pt", "worse.pt", "other.pt", "none.pt"):
        with pytest.raises(ExportError):
            constants_in(tmp_path / name)
    buffer = io.BytesIO()
    torch.save({"constants": torch.tensor([1.0, 2.0])}, buffer)
    (tmp_path / "good.pt").write_bytes(buffer.getvalue())
    assert constants_in(tmp_path / "good.pt") == [1.0, 2.0]
