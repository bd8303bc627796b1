"""Published few-shot data, in small folders of the same form."""

import io

import numpy as np
import pytest
import torch
from episode_helpers import write_classes, write_images
from PIL import Image

from symloss.fewshot.episodes import FEWSHOT_DATA, make_fewshot
from symloss.fewshot.episodes.published import FC100
from symloss.fewshot.episodes.registry import MAKERS

BIRDS = [f"{number:03}.bird" for number in range(1, 13)]
COLOURED = {"shape": (9, 7, 3)}


def omniglot(folder):
    for number in range(12):
        for name in ("character01", "character02"):
            write_images(folder / "images_background" / f"Alphabet{number:02}" / name, shape=(105, 105))
    for name in ("character01", "character02"):
        write_images(folder / "images_evaluation" / "Zeta" / name, shape=(105, 105))


def three_folders(folder, valid="val"):
    for split in ("train", valid, "test"):
        write_classes(folder / split, [f"{split}{n}" for n in range(3)], **COLOURED)


def three_archives(folder):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        x = rng.integers(0, 256, (12, 84, 84, 3), dtype=np.uint8)
        np.savez(folder / f"{split}.npz", x=x, y=np.arange(12) % 3)


def mini_imagenet(folder):
    folder.mkdir()
    for number, split in enumerate(("train", "val", "test")):
        rows = ["filename,label"]
        for label in range(3):
            write_images(folder / "new", seed=number * 3 + label, suffix=".jpg", **COLOURED)
            (folder / "images").mkdir(exist_ok=True)
            for file in sorted((folder / "new").iterdir()):
                name = f"n{number}{label}{file.name}"
                file.rename(folder / "images" / name)
                rows.append(f"{name},n{number}{label}")
        (folder / f"{split}.csv").write_text("\n".join(rows) + "\n")


def cifar_fs(folder):
    names = [f"thing_{n}" for n in range(9)]
    write_classes(folder / "cifar100" / "data", names, shape=(32, 32, 3))
    lists = folder / "cifar100" / "splits" / "bertinetto"
    lists.mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        (lists / f"{split}.txt").write_text("\n".join(names[number::3]) + "\n")


def cifar100(folder):
    """Four pictures of each class, the class in every pixel; class c belongs to the superclass c // 5."""
    folder.mkdir()
    records = [bytes([c // 5, c]) + bytes([c]) * 3072 for c in range(100)]
    (folder / "train.bin").write_bytes(b"".join(records * 3))
    (folder / "test.bin").write_bytes(b"".join(records))


def cub(folder):
    write_classes(folder / "CUB_200_2011" / "images", BIRDS, **COLOURED)


FORMS = {
    "omniglot": (omniglot, (1, 28, 28), (20, 4, 2)),
    "mini-imagenet": (mini_imagenet, (3, 84, 84), (3, 3, 3)),
    "tiered-imagenet": (three_folders, (3, 84, 84), (3, 3, 3)),
    "cifar-fs": (cifar_fs, (3, 32, 32), (3, 3, 3)),
    "fc100": (cifar100, (3, 32, 32), (60, 20, 20)),
    "cub": (cub, (3, 84, 84), (6, 3, 3)),
}
"""What writes the data, and then the shape of inputs and the classes of each split."""

WHERE = {"fc100": "cifar100"}
"""The data set that is looked for, where it is another."""


def made(name, tmp_path, write=None):
    (write or FORMS[name][0])(tmp_path / WHERE.get(name, name))
    return make_fewshot(name, 2, 1, 2, data=tmp_path)


def test_all_names_have_a_maker_and_a_form():
    assert set(MAKERS) == set(FEWSHOT_DATA) == {*FORMS, "glyphs", "sinusoids"}


@pytest.mark.parametrize("name", FORMS)
def test_the_published_form_is_read(name, tmp_path):
    task = made(name, tmp_path)
    _, shape, classes = FORMS[name]
    sources = (task.train, task.valid, task.test)
    assert tuple(len(source.classes) for source in sources) == classes
    names = [set(source.names) for source in sources]
    assert len(set.union(*names)) == sum(classes)
    for source in sources:
        assert source.shape == shape
        assert source.episode(0).support_x.shape == (2, *shape)
    x, y = task.train_images
    assert x.shape == (4 * classes[0], *shape)
    assert torch.equal(y, torch.arange(classes[0]).repeat_interleave(4))
    assert str(tmp_path) in " ".join(task.notes)


@pytest.mark.parametrize("name", ["mini-imagenet", "tiered-imagenet", "cifar-fs", "cub"])
@pytest.mark.parametrize(
    "write", [three_folders, lambda folder: three_folders(folder, "valid"), three_archives]
)
def test_folders_and_archives_of_three_splits_are_read_by_any_name(name, write, tmp_path):
    task = made(name, tmp_path, write)
    assert [len(source.classes) for source in (task.train, task.valid, task.test)] == [3, 3, 3]


def test_fc100_splits_by_superclass(tmp_path):
    task = made("fc100", tmp_path)
    assert sorted(sum(FC100.values(), ())) == list(range(20))
    for split, superclasses in FC100.items():
        names = {int(name) for name in getattr(task, split).names}
        assert names == {5 * c + member for c in superclasses for member in range(5)}


def test_images_of_fc100_are_normalised_as_cifar100_is(tmp_path):
    source = made("fc100", tmp_path).test
    episode = source.episode(0)
    plain = episode.support_x * torch.tensor([0.2675, 0.2565, 0.2761])[:, None, None]
    plain = 255 * (plain + torch.tensor([0.5071, 0.4867, 0.4408])[:, None, None])
    assert torch.allclose(plain, plain[:, :1, :1, :1].round(), atol=1e-2)  # each picture has one value alone
    assert {str(round(float(image[0, 0, 0]))) for image in plain} <= set(source.names)


def test_photographs_are_normalised_as_imagenet_is(tmp_path):
    for split in ("train", "val", "test"):
        for name in "ab":
            folder = tmp_path / "cub" / split / f"{split}{name}"
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (90, 84), (124, 116, 104)).save(folder / f"{number}.png")
    episode = make_fewshot("cub", 2, 1, 2, data=tmp_path).train.episode(0)
    assert episode.support_x.abs().max() < 0.01  # the mean colour of ImageNet


def test_ink_of_omniglot_is_one_and_paper_nothing(tmp_path):
    omniglot(tmp_path / "omniglot")
    for file in (tmp_path / "omniglot").rglob("*.png"):
        Image.fromarray(np.full((105, 105), 255, np.uint8)).convert("1").save(file)
    assert make_fewshot("omniglot", 2, 1, 2, data=tmp_path).train.episode(0).query_x.max() == 0


def test_alphabets_of_omniglot_are_kept_apart(tmp_path):
    task = made("omniglot", tmp_path)
    parts = [{name.split("/")[0] for name in source.names} for source in (task.train, task.valid, task.test)]
    assert parts[1] == {"Alphabet05", "Alphabet11"}
    assert not parts[0] & parts[1]


def test_omniglot_turns_classes_by_right_angles(tmp_path):
    omniglot(tmp_path / "omniglot")
    plain, turned = (
        make_fewshot(f"omniglot{options}", 2, 1, 2, data=tmp_path).train for options in ("", "?rotations=yes")
    )
    turns = set()
    for index in range(20):
        before, after = plain.episode(index), turned.episode(index)
        for c in range(2):
            x, y = (
                torch.cat([e.support_x[c : c + 1], e.query_x[2 * c : 2 * c + 2]]) for e in (before, after)
            )
            fitting = [k for k in range(4) if torch.equal(torch.rot90(x, k, (2, 3)), y)]
            assert len(fitting) == 1  # all images of the class alike
            turns.add(fitting[0])
    assert turns == {0, 1, 2, 3}


@pytest.mark.parametrize("mode", ["L", "1", "RGBA", "P", "LA"])
def test_images_of_any_mode_are_read(mode, tmp_path):
    for split in ("train", "val", "test"):
        for name in "ab":
            folder = tmp_path / split / (split + name)
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (5, 5), (255, 255, 255)).convert(mode).save(folder / f"{number}.png")
    task = make_fewshot(f"folder:{tmp_path}", 2, 1, 2)
    assert task.train.shape == ((3, 5, 5) if mode in ("RGBA", "P") else (1, 5, 5))


def test_what_begins_with_a_dot_is_no_class_and_no_image(tmp_path):
    write_classes(tmp_path, [f"c{n:02}" for n in range(6)])
    write_classes(tmp_path, [".trash"])
    (tmp_path / "c03" / "._0.png").write_bytes(b"a system's own")
    task = make_fewshot(f"folder:{tmp_path}", 1, 1, 1)
    sources = (task.train, task.valid, task.test)
    assert {name for source in sources for name in source.names} == {f"c{n:02}" for n in range(6)}
    assert all(len(images) == 4 for source in sources for images in source.classes)


def test_size_cuts_the_middle_out(tmp_path):
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 255
    for name in [f"c{n:02}" for n in range(10)]:
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    task = make_fewshot(f"folder:{tmp_path}?size=8", 1, 1, 1)
    assert task.train.shape == (1, 8, 8)
    assert (task.train.episode(0).support_x == 1).all()


def test_another_seed_of_episodes_tests_the_same_classes(tmp_path):
    write_classes(tmp_path, [f"c{n:02}" for n in range(12)])
    names = [make_fewshot(f"folder:{tmp_path}", 1, 1, 1, seed=seed).test.names for seed in (0, 1, 2)]
    assert names[0] == names[1] == names[2]
    other = make_fewshot(f"folder:{tmp_path}?split=1", 1, 1, 1).test.names
    assert other != names[0]


def test_images_are_kept_while_there_is_room(tmp_path, monkeypatch):
    from symloss.fewshot.episodes import pictures

    write_classes(tmp_path, [f"c{n:02}" for n in range(12)])
    monkeypatch.setattr(pictures, "ROOM", 3 * 36)
    task = make_fewshot(f"folder:{tmp_path}", 2, 1, 1)
    first = [task.train.episode(index) for index in range(5)]
    assert len(task.train.classes[0].memory.images) == 3
    again = [task.train.episode(index) for index in range(5)]
    assert all(torch.equal(a.query_x, b.query_x) for a, b in zip(first, again, strict=True))


def test_a_contact_sheet_shows_the_images(tmp_path):
    from symloss.fewshot.episodes.sheet import write_sheet

    write_classes(tmp_path / "data", [f"c{n:02}" for n in range(12)], shape=(6, 6, 3))
    task = make_fewshot(f"folder:{tmp_path / 'data'}", 2, 1, 2)
    write_sheet(task, tmp_path / "new" / "sheet.png")
    with Image.open(io.BytesIO((tmp_path / "new" / "sheet.png").read_bytes())) as sheet:
        assert sheet.size == (3 * 8 + 4, 4 * (2 * 8 + 4))
        assert sheet.mode == "RGB"
