"""Laws that the episodes of all few-shot data obey."""

import functools

import numpy as np
import pytest
import torch
from episode_helpers import blobs, lines, write_classes
from hypothesis import given, settings
from hypothesis import strategies as st

from symloss.fewshot.episodes import make_fewshot
from symloss.fewshot.episodes.episode import SPLITS
from symloss.records import Kind
from symloss.workers import in_parallel

NAMES = ("glyphs", "sinusoids", "folder", "function", "regression")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_classes(tmp_path_factory.mktemp("classes"), [f"c{n:02}" for n in range(24)], images=6)


@pytest.fixture(scope="module")
def make(folder):
    """(name, seed) -> the task, made once."""

    @functools.cache
    def made(name, seed=0):
        sources = {"folder": (f"folder:{folder}", 3, 2, 4), "function": (blobs, 3, 2, 4)}
        sources |= {"regression": (lines, 1, 3, 5), "sinusoids": ("sinusoids", 1, 3, 5)}
        dataset, ways, shots, queries = sources.get(name, (name, 5, 2, 3))
        return make_fewshot(dataset, ways, shots, queries, seed=seed)

    return made


def same(first, second):
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", NAMES)
def test_an_episode_has_its_shapes_and_the_order_of_classes(make, name, split):
    task = make(name)
    source = getattr(task, split)
    for index in range(3):
        episode = source.episode(index)
        for x, y, each in (
            (episode.support_x, episode.support_y, task.shots),
            (episode.query_x, episode.query_y, task.queries),
        ):
            assert x.shape == (task.ways * each, *source.shape)
            assert x.dtype == torch.float32
            assert torch.isfinite(x).all()
            if source.kind is Kind.REGRESSION:
                assert (y.dtype, y.shape, task.ways) == (torch.float32, (each, 1), 1)
            else:
                assert torch.equal(y, torch.arange(task.ways).repeat_interleave(each))


@pytest.mark.parametrize("name", NAMES)
@given(index=st.integers(0, 10**9), other=st.integers(0, 10**9), split=st.sampled_from(SPLITS))
@settings(max_examples=15, deadline=None)
def test_an_episode_depends_on_seed_split_and_index_alone(make, name, index, other, split):
    source = getattr(make(name), split)
    found = source.episode(index)
    torch.rand(3), np.random.rand(3)
    changed = source.episode(other)
    assert same(found, source.episode(index))
    assert index == other or not same(found, changed)
    assert not same(found, getattr(make(name, seed=1), split).episode(index))
    another = SPLITS[(SPLITS.index(split) + 1) % 3]
    assert not same(found, getattr(make(name), another).episode(index))


def test_workers_draw_the_same_as_one(make):
    source, order = make("glyphs").train, [3, 1, 2, 0]

    def drawn(index, tick=None):
        return [part.numpy() for part in vars(source.episode(index)).values()]

    there = in_parallel(drawn, order, torch.device("cpu"))
    for index, parts in zip(order, there, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(drawn(index), parts, strict=True))


@pytest.mark.parametrize("name", ["glyphs", "folder"])
def test_no_class_is_in_two_splits(make, name):
    names = [set(getattr(make(name), split).names) for split in SPLITS]
    assert len(set.union(*names)) == sum(map(len, names))
    assert all(names)


@given(index=st.integers(0, 10**6), split=st.sampled_from(SPLITS))
@settings(max_examples=20, deadline=None)
def test_no_image_of_a_folder_is_shown_twice_in_an_episode(make, index, split):
    episode = getattr(make("folder"), split).episode(index)
    images = torch.cat([episode.support_x, episode.query_x]).flatten(1)
    assert len(images.unique(dim=0)) == len(images)


@given(index=st.integers(0, 10**6), split=st.sampled_from(SPLITS), shots=st.sampled_from([1, 5]))
@settings(max_examples=20, deadline=None)
def test_no_drawing_of_a_glyph_is_seen_in_both_support_and_query(index, split, shots):
    source = getattr(make_fewshot("glyphs?warp=none", 5, shots, 15), split)
    episode = source.episode(index)
    for c in range(5):
        support = {image.numpy().tobytes() for image in episode.support_x[episode.support_y == c]}
        query = {image.numpy().tobytes() for image in episode.query_x[episode.query_y == c]}
        assert not support & query


def test_every_class_comes_up_equally_often(make):
    source = make("folder").train
    first = {images[np.arange(6)][0].tobytes(): 0 for images in source.classes}
    plain = {
        image.tobytes(): number
        for number, images in enumerate(source.classes)
        for image in images[np.arange(6)]
    }
    counts = np.zeros(len(first))
    for index in range(400):
        shown = (source.episode(index).support_x * 255).round().byte().numpy()
        for image in shown[:: make("folder").shots]:
            counts[plain[image.tobytes()]] += 1
    expected = counts.sum() / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 40  # chi-square of about 9 degrees of freedom


def test_a_sinusoid_is_what_maml_says():
    task = make_fewshot("sinusoids", 1, 40, 60)
    amplitudes, phases = [], []
    for index in range(60):
        episode = task.test.episode(index)
        x = torch.cat([episode.support_x, episode.query_x]).double()
        y = torch.cat([episode.support_y, episode.query_y]).double()
        assert x.abs().max() <= 5
        # y = a sin(x) + b cos(x): linear, so least squares finds amplitude and phase.
        basis = torch.cat([x.sin(), x.cos()], 1)
        a, b = torch.linalg.lstsq(basis, y).solution[:, 0]
        assert torch.allclose(basis @ torch.stack([a, b])[:, None], y, atol=1e-5)
        amplitudes.append(float(torch.hypot(a, b)))
        phases.append(float(torch.atan2(-b, a)))
    assert 0.1 <= min(amplitudes) < 1 < 4 < max(amplitudes) <= 5.001
    assert -1e-4 <= min(phases) < 0.5 < 2.6 < max(phases) <= np.pi + 1e-4


def test_targets_of_a_function_stay_with_their_inputs(make):
    episode = make("function").valid.episode(7)
    assert torch.equal(episode.query_x.mean(1).round().long(), episode.query_y)
