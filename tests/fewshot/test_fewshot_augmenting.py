"""What chance does to the images that an encoder is trained on."""

import numpy as np
import pytest
import torch
from fewshot_helpers import small

from symloss.fewshot.encoder import Pretraining
from symloss.fewshot.episodes import make_fewshot
from symloss.fewshot.episodes.assembling import IMAGENET
from symloss.fewshot.episodes.augmenting import Photographed, shifted
from symloss.fewshot.episodes.warp import WARPS

WAYS = {"shifted": shifted, "photographed": Photographed(*IMAGENET), "warped": WARPS["strong"]}


def photographs(number=6):
    generator = torch.Generator().manual_seed(0)
    mean, deviation = (torch.tensor(own)[:, None, None] for own in IMAGENET)
    return (torch.rand(number, 3, 12, 12, generator=generator) - mean) / deviation


@pytest.mark.parametrize("name", WAYS)
def test_the_same_random_numbers_give_the_same_images(name):
    x = photographs()
    first, again, other = (WAYS[name](x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == x.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_image_is_shifted_by_itself_and_loses_nothing():
    x = torch.arange(6 * 9 * 7.0).reshape(6, 1, 9, 7)
    found = shifted(x, np.random.default_rng(0))
    ways = set()
    for before, after in zip(x, found, strict=True):
        moves = [
            (up, left)
            for up in range(-2, 3)
            for left in range(-2, 3)
            if torch.equal(after, torch.roll(before, (up, left), (1, 2)))
        ]
        assert len(moves) == 1
        ways.update(moves)
    assert len(ways) > 3


def test_all_of_a_photograph_in_its_own_colours_is_nearly_it_or_its_mirror_image():
    """Its shape is then cut by an eighth at most, so smooth images change little."""
    place = torch.linspace(-1, 1, 12)
    x = torch.stack([a * place[:, None] + b * place for a, b in ((1, 1), (1, -1), (0.5, 2), (2, -1))])
    x = x[:, None].expand(4, 3, 12, 12).repeat(10, 1, 1, 1) * 0.3
    found = Photographed(*IMAGENET, least=1.0, colours=0.0)(x, np.random.default_rng(0))
    as_it_was, mirrored = ((found - own).abs().amax((1, 2, 3)) < 0.15 for own in (x, x.flip(-1)))
    assert (as_it_was | mirrored).all()
    assert 5 < (as_it_was & ~mirrored).sum() < 35


def test_colours_stay_between_black_and_white():
    mean, deviation = (torch.tensor(own)[:, None, None] for own in IMAGENET)
    found = Photographed(*IMAGENET, colours=0.9)(photographs(50), np.random.default_rng(0))
    shown = found * deviation + mean
    assert shown.min() > -1e-5
    assert shown.max() < 1 + 1e-5


def test_grey_stays_grey():
    mean, deviation = (torch.tensor(own)[:, None, None] for own in IMAGENET)
    grey = torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(0)).expand(5, 3, 12, 12)
    shown = Photographed(*IMAGENET)((grey - mean) / deviation, np.random.default_rng(0)) * deviation + mean
    assert torch.allclose(shown, shown[:, :1].expand_as(shown), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_encoder_of_glyphs_is_trained_on_warped_ones(threads):
    task = make_fewshot("glyphs", 5, 1, 3)
    assert task.augment is WARPS["strong"]
    assert make_fewshot("glyphs?warp=none", 5, 1, 3).augment is shifted
    work = Pretraining(small("npbml", {"pretraining": {"batch": 16}}), task, torch.device("cpu"))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, y = work._batch(7)
    finally:
        torch.set_num_threads(before)
    images, labels = task.train_images
    drawn = {own.numpy().tobytes() for own in images}
    assert not any(own.numpy().tobytes() in drawn for own in x)
    assert (x.sum((1, 2, 3)) > 0).all()
    assert set(y.tolist()) <= set(labels.tolist())
    again, _ = work._batch(7)
    assert torch.equal(x, again)
