"""The true class's log-odds and log-probability: exact at every distance, in every layout."""

import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import law
from torch._subclasses.fake_tensor import FakeTensorMode

from symloss.losses import pieces

FAR = st.floats(-400.0, 400.0) | st.floats(-1e4, 1e4)
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-13}


def reference(z, index, dim, others):
    """The same by the definition, in double precision, and its gradient."""
    z = z.detach().double().requires_grad_()
    rest = z.scatter(dim, index, -torch.inf) if others else z
    value = z.gather(dim, index) - rest.logsumexp(dim, keepdim=True)
    return value.detach(), torch.autograd.grad(value.sum(), z)[0]


def found(z, index, dim, others):
    z = z.detach().requires_grad_()
    value = pieces._TrueClass.apply(z, index, dim, others, None, False)
    return value.detach(), torch.autograd.grad(value.sum(), z)[0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("others", [True, False])
@law
@given(
    gap=FAR, classes=st.integers(2, 40), dim=st.integers(0, 2), seed=st.integers(0, 99), alone=st.booleans()
)
def test_it_is_the_definition_however_far_the_true_class_is(dtype, others, gap, classes, dim, seed, alone):
    generator = torch.Generator().manual_seed(seed)
    shape = [2, 3]
    shape.insert(dim, classes)
    z = torch.randn(shape, generator=generator, dtype=torch.float64)
    one = [2, 3]
    one.insert(dim, 1)
    index = torch.randint(classes, one, generator=generator)
    gaps = torch.full(one, gap, dtype=torch.float64)
    if alone:  # one sample, and the others are near
        gaps.flatten()[1:] = 0.0
    z = z.scatter_add(dim, index, gaps).to(dtype)
    value, gradient = found(z, index, dim, others)
    expected, slopes = reference(z, index, dim, others)
    scale = max(1.0, abs(gap))
    torch.testing.assert_close(value.double(), expected, rtol=0, atol=TOLERANCE[dtype] * scale)
    torch.testing.assert_close(gradient.double(), slopes, rtol=0, atol=2 * TOLERANCE[dtype])


@pytest.mark.parametrize("far", [0, 1, 6])
@pytest.mark.parametrize("others", [True, False])
def test_a_second_backward_pass_is_the_first_one_bit_for_bit(others, far):
    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.tensor([[0], [1], [2], [3], [4], [0]])
    z[:far].scatter_add_(1, index[:far], torch.full((far, 1), 90.0, dtype=torch.float64))
    z.requires_grad_()
    value = pieces._relative(z, index, 1, others, softened, mean=True)
    first, second = (torch.autograd.grad(value, z, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.autograd.gradcheck(lambda z: pieces._relative(z, index, 1, others, softened), z)


def test_outputs_may_be_written_over_before_the_first_backward_pass_alone():
    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    index = torch.tensor([[0], [1], [2], [3], [4], [0]])
    (expected,) = torch.autograd.grad(pieces._relative(z, index, 1, True, softened).sum(), z)
    outputs = z * 1.0
    value = pieces._relative(outputs, index, 1, True, softened).sum()
    outputs.add_(1.0)
    (found,) = torch.autograd.grad(value, z, retain_graph=True)
    torch.testing.assert_close(found, expected)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(value, z)
    with torch.inference_mode():
        torch.testing.assert_close(pieces._relative(z * 1.0, index, 1, True, softened).sum() + 0.0, value)


def test_class_ids_may_not_be_written_over():
    z, target = torch.randn(3, 5).requires_grad_(), torch.tensor([0, 1, 2])
    value = pieces._relative(z, target.unsqueeze(1), 1, True, softened).sum()
    target[0] = 4
    with pytest.raises(RuntimeError, match="class ids were written over"):
        value.backward()


@pytest.mark.parametrize("mean", [True, False])
def test_nothing_as_large_as_the_outputs_is_kept_after_the_backward_pass(mean):
    """Though the loss is, as where people add up losses."""
    z, index = torch.randn(3, 5).requires_grad_(), torch.tensor([[0], [1], [2]])
    outputs = z * 1.0
    kept = weakref.ref(outputs)
    value = pieces._relative(outputs, index, 1, True, softened, mean=mean).sum()
    del outputs
    assert kept() is not None
    value.backward()
    assert kept() is None
    with pytest.raises(RuntimeError, match="a second time"):
        value.backward()


def test_what_is_saved_can_be_put_elsewhere_and_computed_again():
    from torch.utils.checkpoint import checkpoint

    z, index = torch.randn(3, 5).requires_grad_(), torch.tensor([[0], [1], [2]])
    packed = []

    def value(z):
        return pieces._relative(torch.tanh(z), index, 1, True, softened, mean=True)

    (expected,) = torch.autograd.grad(value(z), z)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda own: packed.append(own.shape) or own, lambda own: own
    ):
        torch.testing.assert_close(torch.autograd.grad(value(z), z)[0], expected)
    assert packed.count(z.shape) == 2
    for reentrant in (True, False):
        again = checkpoint(value, z, use_reentrant=reentrant)
        z.grad = None
        again.backward()
        torch.testing.assert_close(z.grad, expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_a_loss_and_its_gradient_can_be_written_down(mode):
    from torch.fx.experimental.proxy_tensor import make_fx

    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 3, 4, 0])

    def value(z, y):
        index, ignored, _, share = pieces._samples(z, y, None, -100, 1)
        values = pieces._relative(z, index, 1, True, counted)
        return pieces._reduced(values, ignored, share, "mean")

    def gradient(z, y):
        z = z.detach().requires_grad_()
        return torch.autograd.grad(value(z, y), z)[0]

    written = make_fx(gradient, tracing_mode=mode)(z, y)
    torch.testing.assert_close(written(z, y), gradient(z, y))
    if mode == "symbolic":  # then for any number of classes
        z = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(written(z, y), gradient(z, y))


def test_what_is_not_a_number_stays_so():
    z = torch.tensor([[0.0, torch.nan, 1.0], [0.0, 1.0, 2.0]])
    value, _ = found(z, torch.tensor([[0], [1]]), 1, True)
    assert value[0].isnan()
    assert value[1].isfinite()


@pytest.mark.filterwarnings("ignore:.torch.jit.script")  # of torch's own, at the first jvp
@pytest.mark.parametrize("others", [True, False])
def test_it_can_be_transformed_by_torch_func(others):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 3, 6, generator=generator, dtype=torch.float64)
    index = torch.randint(6, (4, 3, 1), generator=generator)

    def value(z, index):
        return pieces._relative(z, index, -1, others).sum()

    expected, slopes = reference(z, index, 2, others)
    each = torch.func.vmap(torch.func.grad_and_value(value))(z, index)
    torch.testing.assert_close(each, (slopes, expected.sum((1, 2))))
    _, along = torch.func.jvp(lambda z: value(z, index), (z,), (torch.ones_like(z),))
    torch.testing.assert_close(along, slopes.sum())


def test_errors_are_torchs_own():
    with pytest.raises(RuntimeError, match="out of bounds"):
        pieces._relative(torch.randn(2, 3), torch.tensor([[1], [7]]), 1, True)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("others", [True, False])
def test_a_bad_sample_does_not_spoil_the_others(bad, others):
    good = torch.tensor([[200.0, 0.0, 1.0], [0.0, 200.0, 0.0]])
    index = torch.tensor([[0], [0], [0]])
    value, gradient = found(torch.cat([torch.tensor([[bad, 0.0, 1.0]]), good]), index, 1, others)
    expected, slopes = found(good, index[1:], 1, others)
    assert expected.isfinite().all()
    torch.testing.assert_close((value[1:], gradient[1:]), (expected, slopes))


def test_it_can_be_traced_without_numbers():
    z, index = torch.randn(3, 5), torch.tensor([[0], [4], [2]])
    with FakeTensorMode() as mode:
        shape = pieces._relative(mode.from_tensor(z), mode.from_tensor(index), 1, True).shape
    assert shape == (3, 1)


def softened(number, classes):
    """A formula with its derivative, which depend on the count of classes."""
    return torch.tanh(number / classes).square() - number, 2 * torch.tanh(number / classes) * (
        1 - torch.tanh(number / classes).square()
    ) / classes - 1


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("shape", [(6,), (4, 6), (4, 6, 3)])
def test_a_formula_is_applied_in_both_passes_and_in_second_derivatives(others, shape):
    generator = torch.Generator().manual_seed(0)
    dim = 1 if len(shape) > 1 else 0
    z = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    index = torch.randint(6, [1 if i == dim else n for i, n in enumerate(shape)], generator=generator)
    rest = z.scatter(dim, index, -torch.inf) if others else z
    plain = z.gather(dim, index) - rest.logsumexp(dim, keepdim=True)
    expected = softened(plain, 6)[0].squeeze(dim)
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    direction = torch.randn(shape, generator=generator, dtype=torch.float64)

    def derivatives(values):
        (first,) = torch.autograd.grad((values * weights).sum(), z, create_graph=True)
        (second,) = torch.autograd.grad((first * direction).sum(), z, retain_graph=True)
        return first.detach(), second

    found = pieces._relative(z, index, dim, others, softened)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(derivatives(found), derivatives(expected))
    # Without a graph of the gradient, and a second time when the buffer is used up.
    found = pieces._relative(z, index, dim, others, softened)
    for _ in range(2):
        (first,) = torch.autograd.grad((found * weights).sum(), z, retain_graph=True)
        torch.testing.assert_close(first, derivatives(expected)[0])


def test_a_formula_can_be_transformed_by_torch_func():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 3, 6, generator=generator, dtype=torch.float64)
    index = torch.randint(6, (4, 3, 1), generator=generator)

    def value(z, index):
        return pieces._relative(z, index, -1, True, softened).sum()

    def plain(z, index):
        return softened(pieces._relative(z, index, -1, True), 6)[0].sum()

    each = torch.func.vmap(torch.func.grad_and_value(value))(z, index)
    torch.testing.assert_close(each, torch.func.vmap(torch.func.grad_and_value(plain))(z, index))


def twice(number, classes):
    """A formula that gives one tensor as the value and as its derivative, or what it was given."""
    power = torch.exp(number)
    return power, power


@pytest.mark.parametrize("formula", [softened, twice, lambda number, classes: (number, 1.0)])
def test_what_a_formula_gives_may_be_written_over(formula):
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    index = torch.tensor([[0], [5], [2], [1]])
    (expected,) = torch.autograd.grad(3 * pieces._relative(z, index, 1, True, formula).sum(), z)
    values = pieces._relative(z, index, 1, True, formula)
    values.mul_(3)
    torch.testing.assert_close(torch.autograd.grad(values.sum(), z)[0], expected)


@pytest.mark.parametrize("formula", [None, softened])
def test_several_gradients_at_once_are_those_one_by_one(formula):
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    values = pieces._relative(z, torch.tensor([[0], [5], [2], [1]]), 1, True, formula).flatten()
    directions = torch.eye(4)
    (found,) = torch.autograd.grad(values, z, directions, is_grads_batched=True, retain_graph=True)
    for own, direction in zip(found, directions, strict=True):
        torch.testing.assert_close(own, torch.autograd.grad(values, z, direction, retain_graph=True)[0])


def counted(number, classes):
    """A formula with the logarithm of the count of classes, as `SparseLSRLoss` has."""
    return number * number + pieces._log(classes - 1, number), 2 * number


def one_number(number, classes):
    """A formula whose derivative is the same everywhere."""
    return 3.0 * number, 3.0


@pytest.mark.parametrize("formula", [softened, twice, one_number])
@pytest.mark.parametrize("others", [True, False])
def test_a_mean_within_is_a_mean_afterwards(others, formula):
    """In value, gradient and second derivatives, again and again, and transformed."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(4, 6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    index = torch.randint(6, (4, 1, 3), generator=generator)
    direction = torch.randn(z.shape, generator=generator, dtype=torch.float64)

    def within(z):
        return pieces._relative(z, index, 1, others, formula, mean=True)

    def afterwards(z):
        return pieces._relative(z, index, 1, others, formula).mean()

    def derivatives(value):
        plain = [torch.autograd.grad(5 * value, z, retain_graph=True)[0] for _ in range(2)]
        (first,) = torch.autograd.grad(5 * value, z, create_graph=True)
        second = torch.autograd.grad((first * direction).sum(), z, retain_graph=True)
        return [*plain, first.detach(), *second]

    torch.testing.assert_close(within(z), afterwards(z))
    torch.testing.assert_close(derivatives(within(z)), derivatives(afterwards(z)))
    found, expected = (torch.func.grad_and_value(own)(z.detach()) for own in (within, afterwards))
    torch.testing.assert_close(found, expected)


def test_whether_samples_are_left_out_is_looked_at_where_it_can_be():
    none, one = torch.tensor([2, 0, 1]), torch.tensor([2, -100, 1])
    assert not pieces._left_out(none, -100)
    assert not pieces._left_out(none, 3)
    assert not pieces._left_out(torch.zeros(0, dtype=torch.long), -100)
    assert pieces._left_out(one, -100)
    assert pieces._left_out(none, 2)
    assert pieces._left_out(none.to("meta"), -100)
    with FakeTensorMode() as mode:
        assert pieces._left_out(mode.from_tensor(none), -100)

    def counted(own):
        return own.sum() + (100 if pieces._left_out(own, -100) else 0)

    assert torch.func.vmap(counted)(torch.stack([none, one])).tolist() == [103, 3]


def test_no_small_integer_is_taken_for_an_ignored_class():
    target = torch.tensor([156, 3, 199], dtype=torch.uint8)  # 156 is -100 in eight bits
    z = torch.randn(3, 200, generator=torch.Generator().manual_seed(0))

    def ignored(own):
        return pieces._samples(z, own, None, -100, 0)[1]

    assert torch.func.vmap(ignored)(target).tolist() == [False] * 3


@pytest.mark.parametrize("ignore_index", [-100, -1, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_samples_are_left_out_as_by_torch(ignore_index, weighted):
    target = torch.tensor([2, 1, 0, 1])
    target[1] = ignore_index
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    weight = torch.tensor([0.5, 2.0, 1.0]) if weighted else None
    index, ignored, weights, share = pieces._samples(z, target, weight, ignore_index, 1)
    values = -pieces._log_p(z, index, 1).squeeze(1)
    found = pieces._reduced(values if weights is None else values * weights, ignored, share, "mean")
    torch.testing.assert_close(
        found, torch.nn.functional.cross_entropy(z, target, weight, ignore_index=ignore_index)
    )
