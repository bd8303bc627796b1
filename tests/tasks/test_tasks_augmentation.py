"""Augmentation of images: what it may make of them, that it is reproducible, and who has it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from symloss.errors import TaskError
from symloss.tasks import Augmentation, make_task
from symloss.tasks.augmentation import shifted
from symloss.tasks.folders import folders

RNG = np.random.default_rng(0)
BORDER = np.array([-1.0, -2.0])[:, None, None]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def crops(image, padding, mirrored):
    """Every crop of an image (channels, h, w) padded by BORDER, with its place."""
    channels, height, width = image.shape
    padded = np.broadcast_to(BORDER, (channels, height + 2 * padding, width + 2 * padding)).copy()
    padded[:, padding:-padding, padding:-padding] = image
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[:, top : top + height, left : left + width]
            yield (top, left), crop[:, :, ::-1] if mirrored else crop


@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_a_crop_of_its_padded_self(flip):
    x = torch.from_numpy(RNG.normal(size=(300, 2, 4, 5))).float()
    found = shifted(2, BORDER, flip)(x, generator())
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert found.is_contiguous()
    places, mirrors = [], []
    for before, after in zip(x.numpy(), found.numpy(), strict=True):
        for mirrored in (False, True):
            for place, crop in crops(before, 2, mirrored):
                if np.array_equal(crop, after):
                    places.append(place)
                    mirrors.append(mirrored)
    assert len(places) == 300, "each is one crop, and no other"
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))
    assert 0.4 < np.mean(mirrors) < 0.6 if flip else not any(mirrors)


def test_the_generator_decides_all():
    x = torch.randn(20, 2, 6, 6, generator=generator(5))
    augment = shifted(1, BORDER, True)
    state = torch.random.get_rng_state()
    assert torch.equal(augment(x, generator(1)), augment(x, generator(1)))
    assert not torch.equal(augment(x, generator(1)), augment(x, generator(2)))
    assert torch.equal(torch.random.get_rng_state(), state), "the global random numbers were used"


def test_images_themselves_are_left_alone():
    x = torch.randn(4, 2, 6, 6, generator=generator(5))
    before = x.clone()
    shifted(1, BORDER, True)(x, generator())
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda x, g: x[:, :, 1:], "finite inputs of the same shape"),
        (lambda x, g: x.double(), "torch.float32"),
        (lambda x, g: x / 0.0, "finite inputs"),
        (lambda x: x, "the augmentation 'mine' fails"),
    ],
)
def test_an_augmentation_that_cannot_work_is_refused(transform, message):
    with pytest.raises(TaskError, match=message):
        replace(make_task("digits"), augment=Augmentation("mine", transform))
    assert replace(make_task("digits"), augment=Augmentation("mine", lambda x, g: x + 1)).augment


def test_photographs_are_mirrored_and_house_numbers_are_not(tmp_path, monkeypatch):
    from test_tasks_images import write_cifar, write_svhn

    monkeypatch.setattr("symloss.tasks.folders.folders", lambda *given: folders(*given)[:2])
    write_cifar(tmp_path / "cifar10", "cifar10", per_file=30)
    write_svhn(tmp_path / "svhn", n=40)
    photographs, numbers = (make_task(name, data_dir=tmp_path) for name in ("cifar10", "svhn"))
    assert "mirror" in photographs.augment.name
    assert photographs.notes[-1] == f"training batches augmented: {photographs.augment.name}"
    assert "mirror" not in numbers.augment.name
    # What comes in from outside is black: 0 before images were normalised.
    bright = torch.full((50, 3, 32, 32), 9.0)
    for task, mean, deviation in ((photographs, 0.4914, 0.2470), (numbers, 0.4380, 0.1751)):
        darkest = float(task.augment(bright, generator())[:, 0].min())
        assert darkest == pytest.approx(-mean / deviation, rel=1e-5)
    plain = make_task("cifar10", data_dir=tmp_path, augment=False)
    assert plain.augment is None
    assert plain.notes == photographs.notes[:-1]
    assert make_task("digits").augment is None
