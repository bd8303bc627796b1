"""Laws of splits, scaling and tasks built from arrays."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import Split, make_task, task_from_arrays
from symloss.tasks.splitting import generator, split_indices, subsample_indices

PARTS = ("train", "valid", "test")


def labelled(n=60, classes=3):
    """Samples whose first feature is their number, so that rows can be recognised."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.arange(n), rng.normal(3.0, 5.0, (n, 4))])
    return x, np.arange(n) % classes


def rows(split: Split) -> set[tuple[float, ...]]:
    return {tuple(row) for row in split.x.flatten(1).tolist()}


class_sizes = st.lists(st.integers(3, 40), min_size=1, max_size=6)


@given(class_sizes, st.floats(0.01, 0.45), st.floats(0.01, 0.45), st.integers(0, 1000))
def test_splits_are_disjoint_complete_and_stratified(sizes, valid, test, seed):
    strata = np.repeat(np.arange(len(sizes)), sizes)
    parts = split_indices(strata, [valid, test], np.random.default_rng(seed))
    assert sorted(np.concatenate(parts)) == list(range(len(strata)))
    for part, fraction in zip(parts[1:], (valid, test), strict=True):
        counts = np.bincount(strata[part], minlength=len(sizes))
        assert counts.min() >= 1
        assert np.all(np.abs(counts - fraction * np.array(sizes)) <= 1)
    assert np.bincount(strata[parts[0]], minlength=len(sizes)).min() >= 1


@given(class_sizes, st.data())
def test_a_subsample_has_the_stated_size_and_shares(sizes, data):
    strata = np.repeat(np.arange(len(sizes)), sizes)
    size = data.draw(st.integers(1, len(strata)))
    chosen = subsample_indices(strata, size, np.random.default_rng(0))
    assert len(set(chosen)) == size
    shares = size * np.array(sizes) / len(strata)
    assert np.all(np.abs(np.bincount(strata[chosen], minlength=len(sizes)) - shares) < 1)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_no_sample_of_a_data_set_is_in_two_parts(name):
    task = make_task(name)
    train, valid, test = (rows(getattr(task, part)) for part in PARTS)
    assert not train & valid
    assert not train & test
    assert not valid & test


def test_rows_keep_their_targets():
    x, _ = labelled()
    task = task_from_arrays(x, x[:, 0], kind="regression")  # the target is the sample's own number
    for part in PARTS:
        split = getattr(task, part)
        torch.testing.assert_close(split.x[:, :1], split.y)


def test_features_and_targets_are_standardised_by_the_training_part():
    x, _ = labelled()
    task = task_from_arrays(x, np.column_stack([7 * x[:, 1] + 100, x[:, 2]]))
    assert task.kind is Kind.REGRESSION
    assert task.num_outputs == 2
    for values in (task.train.x, task.train.y):
        torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-6, rtol=0)
        torch.testing.assert_close(values.std(0, correction=0), torch.ones(values.shape[1]))
    assert not torch.allclose(task.test.x.mean(0), torch.zeros(5), atol=1e-3)
    assert "targets standardised: mean" in task.notes[0]


def test_a_constant_feature_becomes_zero():
    x, y = labelled()
    x[:, 2] = 4.0
    assert torch.all(task_from_arrays(x, y).train.x[:, 2] == 0)


def test_images_are_standardised_by_channel():
    images = np.random.default_rng(0).normal(5, 2, (30, 2, 8, 8))
    task = task_from_arrays(images, np.arange(30) % 3, model="lenet5")
    assert task.train.x.shape == (18, 2, 8, 8)
    torch.testing.assert_close(task.train.x.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    assert abs(float(task.train.x[:, 0, 0, 0].mean())) > 1e-3


@pytest.mark.parametrize(
    ("y", "kind", "expected", "outputs"),
    [
        (np.arange(60) % 3, None, Kind.MULTICLASS, 3),
        (np.arange(60) % 2, None, Kind.MULTICLASS, 2),
        (np.arange(60) % 2 == 1, None, Kind.MULTICLASS, 2),
        (np.arange(60) / 60, None, Kind.REGRESSION, 1),
        (np.arange(60) % 2, "binary", Kind.BINARY, 1),
        (np.arange(60) % 2 * 1.0, Kind.BINARY, Kind.BINARY, 1),
        ((np.arange(60) % 3)[:, None], None, Kind.MULTICLASS, 3),
        (np.arange(60), "regression", Kind.REGRESSION, 1),
        (np.arange(60) % 3 * 1.0, None, Kind.MULTICLASS, 3),  # as pandas writes integers with a gap
        (np.arange(60) % 3 * 1.0, "regression", Kind.REGRESSION, 1),
        (np.arange(60) % 3 * 0.5, None, Kind.REGRESSION, 1),
        (np.arange(60) // 2 * 1.0, None, Kind.REGRESSION, 1),
    ],
)
def test_the_kind_is_inferred_or_taken(y, kind, expected, outputs):
    task = task_from_arrays(labelled()[0], y, kind=kind)
    assert task.kind is expected
    assert task.num_outputs == outputs
    shape = (36,) if expected is Kind.MULTICLASS else (36, outputs)
    assert task.train.y.shape == shape
    assert task.train.y.dtype == (torch.int64 if expected is Kind.MULTICLASS else torch.float32)


def test_unusual_labels_are_numbered_and_noted():
    x, _ = labelled()
    for labels in (np.array(["cat", "dog"] * 30), np.array(["cat", "dog"] * 30, dtype=object)):
        task = task_from_arrays(x, labels)
        assert task.notes == ("labels cat, dog are numbered from 0",)
    assert task_from_arrays(x, np.arange(60) % 3).notes == ()


def test_tensors_and_lists_are_accepted():
    x, y = labelled()
    a, b, c = (
        task_from_arrays(f(x), f(y)) for f in (np.asarray, torch.as_tensor, lambda values: values.tolist())
    )
    assert torch.equal(a.train.x, b.train.x)
    assert torch.equal(a.train.x, c.train.x)


def test_the_seed_decides_the_split_alone():
    x, y = labelled()
    first, again, other = (task_from_arrays(x, y, data_seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.x, again.train.x)
    assert rows(first.test) != rows(other.test)
    state = torch.get_rng_state()
    np.random.seed(5)
    assert torch.equal(task_from_arrays(x, y).train.x, first.train.x)
    assert torch.equal(torch.get_rng_state(), state), "building a task drew from torch's generator"


def test_purposes_have_their_own_numbers():
    one, two = (generator(0, purpose).random(4) for purpose in ("split", "label noise"))
    assert not np.array_equal(one, two)
    assert np.array_equal(one, generator(0, "split").random(4))


def test_train_size_shrinks_training_only():
    full, small = make_task("digits"), make_task("digits", train_size=100)
    assert len(small.train) == 100
    assert rows(small.train) <= rows(full.train)
    assert torch.equal(small.valid.x, full.valid.x)
    assert torch.bincount(small.train.y).min() >= 9


def test_a_task_moves_and_stays_the_same():
    task = make_task("diabetes", model="linear")
    moved = task.to("cpu")
    assert torch.equal(moved.test.y, task.test.y)
    assert (moved.name, moved.notes, moved.model_name) == (task.name, task.notes, "linear")


def test_a_class_too_small_to_split_is_named():
    with pytest.raises(TaskError, match="class 1 has 2 of 22 samples"):
        task_from_arrays(np.ones((22, 2)), np.array([0] * 20 + [1] * 2))
