"""Laws of corruption: only training data, exactly as much as stated, the same from the same seed."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from symloss.config import TaskSettings
from symloss.tasks import CORRUPTIONS, Corruption, Task, corrupt, make_task, task_from_arrays
from symloss.tasks.corruption import OUTLIER_RANGE, long_tail


def binary_task(n=200):
    x = np.random.default_rng(0).normal(size=(n, 3))
    return task_from_arrays(x, np.arange(n) % 2, kind="binary", model="linear")


BASES = {
    "digits": lambda: make_task("digits", model="linear"),
    "binary": binary_task,
    "diabetes": lambda: make_task("diabetes", model="linear"),
}
EVERY = [
    ("digits", Corruption(label_noise=0.3)),
    ("digits", Corruption(imbalance=20.0)),
    ("digits", Corruption(label_noise=0.2, imbalance=5.0)),
    ("binary", Corruption(label_noise=0.25)),
    ("binary", Corruption(imbalance=4.0)),
    ("digits", Corruption(asymmetric_noise=0.3)),
    ("binary", Corruption(asymmetric_noise=0.3)),
    ("diabetes", Corruption(outliers=0.1)),
    ("diabetes", Corruption(heavy_tails=0.5)),
]


def same_data(a: Task, b: Task, part: str) -> bool:
    one, two = getattr(a, part), getattr(b, part)
    return torch.equal(one.x, two.x) and torch.equal(one.y, two.y)


@pytest.mark.parametrize(("base", "corruption"), EVERY)
def test_only_training_data_change_and_the_seed_decides_how(base, corruption):
    task = BASES[base]()
    once, again, other = (corrupt(task, corruption, seed) for seed in (0, 0, 1))
    assert same_data(task, once, "valid")
    assert same_data(task, once, "test")
    assert not same_data(task, once, "train")
    assert same_data(once, again, "train")
    assert not same_data(once, other, "train")
    assert len(once.notes) > len(task.notes)


def test_no_corruption_changes_nothing():
    task = BASES["digits"]()
    assert corrupt(task, Corruption()) is task


@pytest.mark.parametrize("base", ["digits", "binary"])
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.37, 0.99])
def test_label_noise_replaces_exactly_the_stated_number(base, rate):
    task = BASES[base]()
    noisy = corrupt(task, Corruption(label_noise=rate))
    assert torch.equal(noisy.train.x, task.train.x)
    assert int((noisy.train.y != task.train.y).sum()) == round(rate * len(task.train))


def test_label_noise_reaches_every_other_class_equally():
    n, classes = 9000, 4
    task = task_from_arrays(np.ones((n, 1)), np.arange(n) % classes, model="linear", test_fraction=0.1)
    noisy = corrupt(task, Corruption(label_noise=0.9)).train.y
    moved = (noisy - task.train.y)[noisy != task.train.y] % classes
    shares = torch.bincount(moved, minlength=classes)[1:] / len(moved)
    assert torch.all((shares - 1 / 3).abs() < 0.03)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.45, 0.9])
def test_asymmetric_noise_moves_exactly_the_stated_share_of_each_class_to_the_next(rate):
    task = BASES["digits"]()
    noisy = corrupt(task, Corruption(asymmetric_noise=rate))
    assert torch.equal(noisy.train.x, task.train.x)
    for c in range(10):
        now = noisy.train.y[task.train.y == c]
        moved = round(rate * len(now))
        assert torch.bincount(now, minlength=10)[[c, (c + 1) % 10]].tolist() == [len(now) - moved, moved]


def test_asymmetric_noise_follows_the_tasks_confusions():
    task = replace(BASES["digits"](), confusions=((7, 1), (5, 6), (6, 5)))
    noisy = corrupt(task, Corruption(asymmetric_noise=0.4))
    changed = noisy.train.y != task.train.y
    pairs = set(zip(task.train.y[changed].tolist(), noisy.train.y[changed].tolist(), strict=True))
    assert pairs == {(7, 1), (5, 6), (6, 5)}
    counts = torch.bincount(task.train.y)
    assert int(changed.sum()) == sum(round(0.4 * int(counts[c])) for c in (5, 6, 7))
    assert noisy.notes[-1].endswith(
        f"{int(changed.sum())} of 1079 training labels replaced, class 7 by 1, 5 by 6, 6 by 5"
    )


def test_heavy_tails_are_students_t_of_the_stated_size():
    rng = np.random.default_rng(0)
    task = task_from_arrays(rng.normal(size=(20000, 1)), rng.normal(5, 3, size=20000), model="linear")
    small, large = (
        corrupt(task, Corruption(heavy_tails=scale)).train.y - task.train.y for scale in (0.1, 0.5)
    )
    torch.testing.assert_close(small * 5, large, rtol=1e-3, atol=1e-5)
    scale = 0.5 * float(task.train.y.double().std(correction=0))
    assert stats.kstest(large[:, 0].numpy() / scale, stats.t(1.5).cdf).pvalue > 0.01
    assert stats.kstest(large[:, 0].numpy() / scale, stats.t(3).cdf).pvalue < 1e-6, "the check cannot fail"


def test_imbalance_keeps_rows_with_their_labels_in_the_stated_profile():
    task = BASES["digits"]()
    kept = corrupt(task, Corruption(imbalance=10.0)).train
    counts = torch.bincount(kept.y, minlength=10)
    expected = [round(int(counts[0]) * 10 ** (-c / 9)) for c in range(10)]
    assert counts.tolist() == expected
    assert counts[0] == 10 * counts[9] or abs(counts[0] / counts[9] - 10) < 1
    where = {
        tuple(row): int(y) for row, y in zip(task.train.x.flatten(1).tolist(), task.train.y, strict=True)
    }
    found = [tuple(row) for row in kept.x.flatten(1).tolist()]
    assert len(set(found)) == len(found)
    assert [where[row] for row in found] == kept.y.tolist()


@given(st.lists(st.integers(1, 500), min_size=2, max_size=12), st.floats(1.0, 1000.0))
def test_the_long_tail_fits_what_there_is_and_falls(available, ratio):
    counts = long_tail(np.array(available), ratio)
    assert np.all(counts >= 1)
    assert np.all(counts <= available)
    assert np.all(np.diff(counts) <= 0)
    profile = ratio ** (-np.arange(len(counts)) / (len(counts) - 1))
    largest = min(np.array(available) / profile)
    assert np.all(np.abs(counts - largest * profile) <= 1)


def test_the_long_tail_of_equal_classes_is_that_of_the_literature():
    # CIFAR-10 with imbalance 100, as in Cui et al.: 5000, 2997, ... 50.
    assert long_tail(np.full(10, 5000), 100.0).tolist() == [
        5000, 2997, 1797, 1077, 646, 387, 232, 139, 83, 50,
    ]  # fmt: skip


def test_noise_comes_after_imbalance():
    task = BASES["digits"]()
    sparse = corrupt(task, Corruption(imbalance=10.0))
    both = corrupt(task, Corruption(imbalance=10.0, label_noise=0.5))
    assert torch.equal(sparse.train.x, both.train.x), "noise changed which samples were kept"
    assert int((sparse.train.y != both.train.y).sum()) == round(0.5 * len(sparse.train))


def test_outliers_are_gross_and_exactly_as_many_as_stated():
    task = BASES["diabetes"]()
    train = corrupt(task, Corruption(outliers=0.15)).train
    changed = (train.y != task.train.y)[:, 0]
    assert int(changed.sum()) == round(0.15 * len(task.train))
    sizes = train.y[changed].abs()
    assert sizes.min() >= OUTLIER_RANGE[0] - 1e-5
    assert sizes.max() <= OUTLIER_RANGE[1] + 1e-5
    assert {-1.0, 1.0} == set(train.y[changed].sign().flatten().tolist())


def test_outliers_are_measured_by_clean_targets_and_do_not_move_the_scale():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 2)), rng.normal(50.0, 3.0, size=100)
    clean = task_from_arrays(x, y, model="linear")
    dirty = task_from_arrays(x, y, model="linear", corruption=Corruption(outliers=0.2))
    assert clean.notes[0] == dirty.notes[0]
    assert torch.equal(clean.test.y, dirty.test.y)
    same = (clean.train.y == dirty.train.y).sum()
    assert int(same) == len(clean.train) - round(0.2 * len(clean.train))


def test_notes_say_what_happened():
    notes = make_task("digits", corruption=Corruption(label_noise=0.1)).notes
    assert notes == ("label noise: 108 of 1079 training labels replaced by another class",)


def test_every_field_is_a_setting_of_the_same_name():
    assert tuple(field.name for field in fields(Corruption)) == CORRUPTIONS
    assert set(CORRUPTIONS) < set(TaskSettings.__struct_fields__)
    for name in CORRUPTIONS:
        assert getattr(TaskSettings(), name) == getattr(Corruption(), name)
