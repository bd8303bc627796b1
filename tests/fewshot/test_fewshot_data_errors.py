"""One table of likely mistakes with few-shot data: each is one sentence, found, expected, what to do."""

import pickle
import zlib

import numpy as np
import pytest
from episode_helpers import blobs, lines, write_classes, write_images
from PIL import Image

from symloss.errors import SymlossError
from symloss.fewshot.episodes import make_fewshot
from symloss.fewshot.episodes.sheet import write_sheet

NAMES = [f"c{n:02}" for n in range(10)]
THREE = ("train", "val", "test")


def classes(folder):
    write_classes(folder, NAMES)


def splits(folder):
    for split in THREE:
        write_classes(folder / split, [split + name for name in "ab"])


def one_class_twice(folder):
    splits(folder)
    write_images(folder / "test" / "traina")


def no_validation(folder):
    splits(folder)
    (folder / "val").rename(folder / "other")


def empty_split(folder):
    splits(folder)
    for file in (folder / "val").rglob("*.png"):
        file.unlink()


def mixed(folder):
    classes(folder)
    Image.new("L", (7, 5)).save(folder / "c04" / "3.png")


def torn(folder):
    classes(folder)
    for path in folder.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:50])


def text(folder):
    classes(folder)
    (folder / "c04" / "3.png").write_text("no image")


def bomb(folder):
    """A small file that announces 10^10 pixels."""
    classes(folder)
    path = folder / "c04" / "3.png"
    content = bytearray(path.read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


def deep(folder):
    classes(folder)
    Image.new("I;16", (6, 6)).save(folder / "c04" / "3.png")


def archives(**changes):
    x = np.zeros((6, 5, 5), np.uint8)

    def write(folder):
        for split in THREE:
            arrays = {"x": x, "y": np.arange(6) % 2, **changes}
            np.savez(folder / f"{split}.npz", **{k: v for k, v in arrays.items() if v is not None})

    return write


def other_shape(folder):
    archives()(folder)
    np.savez(folder / "test.npz", x=np.zeros((6, 4, 4), np.uint8), y=np.arange(6) % 2)


def nothing(folder):
    pass


def pickled(folder):
    for name in ("mini-imagenet-cache-train.pkl", "train_images_png.pkl"):
        (folder / name).write_bytes(pickle.dumps({}))


def list_of_others(folder):
    write_classes(folder / "data", ["a"])
    for split in THREE:
        path = folder / "splits" / "bertinetto" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("apple\n")


def bad_table(folder):
    (folder / "images").mkdir()
    for split in THREE:
        (folder / f"{split}.csv").write_text("name,class\na,b\n")


def absent_image(folder):
    (folder / "images").mkdir()
    for split in THREE:
        rows = "".join(f"{split}{n}.jpg,{split}{n % 2}\n" for n in range(8))
        (folder / f"{split}.csv").write_text(f"filename,label\n{rows}")


def pickled_cifar(folder):
    (folder / "cifar-100-python").mkdir()
    (folder / "cifar-100-python" / "train").write_bytes(pickle.dumps({}))


FOLDERS = [
    # what is in the folder, what is asked for, words of the answer
    (nothing, "folder:HERE", "has too few classes for train, valid, test, expected folders of images"),
    (nothing, "folder:", "there is no folder"),
    (nothing, "folder:HERE/none", "there is no folder HERE/none; write folder:PATH"),
    (classes, "folder:HERE?sise=3", "has the unknown option 'sise'; did you mean 'size'?"),
    (classes, "folder:HERE?size=big", "size is 'big', expected a whole number"),
    (classes, "folder:HERE?size=0", "size is '0', expected a whole number"),
    (classes, "folder:HERE?split=-1", "split is '-1', expected a whole number"),
    (one_class_twice, "folder:HERE", "the class 'traina' is in both train and test; keep the classes of the"),
    (no_validation, "folder:HERE", "has folders for train, test but none for valid; add what is missing"),
    (empty_split, "folder:HERE", "val has too few classes for valid, expected folders of images"),
    (mixed, "folder:HERE", "3.png has 7x5 pixels, HERE/c"),
    (mixed, "folder:HERE", "make them alike by ?size=PIXELS behind the folder"),
    (torn, "folder:HERE", "cannot be decoded: "),
    (text, "folder:HERE", "c04/3.png is no image of a known kind (PNG, JPEG"),
    (deep, "folder:HERE", "c04/3.png has more than 8 bits in a channel (mode I;16); convert it to 8 bits"),
    (no_validation, "cub", "for a folder images with 200 folders of birds, or folders train, val and test"),
    (bomb, "folder:HERE", "c04/3.png is too large an image"),
    (
        archives(x=np.zeros((6, 5, 5))),
        "folder:HERE",
        "train.npz: x is float64 of shape (6, 5, 5), expected uint8",
    ),
    (archives(x=np.zeros((6, 5), np.uint8)), "folder:HERE", "x is uint8 of shape (6, 5), expected uint8"),
    (archives(y=np.arange(5)), "folder:HERE", "y is int64 of shape (5,), expected class ids of shape (6,)"),
    (archives(y=np.zeros(6)), "folder:HERE", "y is float64 of shape (6,), expected class ids"),
    (archives(y=None), "folder:HERE", "train.npz has no array 'y', expected x and y"),
    (
        archives(y=np.array([{}] * 6)),
        "folder:HERE",
        "train.npz cannot be read: it has Python objects, which are pickled and not read",
    ),
    (other_shape, "folder:HERE", "images of test have shape (1, 4, 4), those of train (1, 5, 5)"),
    (nothing, "omniglot", "for the folders images_background and images_evaluation; name its folder by data"),
    (nothing, "omniglot?turned=yes", "has the unknown option 'turned'; known are: rotations"),
    (nothing, "omniglot?rotations=maybe", "rotations is 'maybe', expected yes or no"),
    (nothing, "mini-imagenet", "searched HERE, HERE/mini-imagenet"),
    (
        pickled,
        "mini-imagenet",
        "mini-imagenet-cache-train.pkl is pickled, and not read since that could execute",
    ),
    (pickled, "tiered-imagenet", "write its images to folders train, val and test of class/image files"),
    (nothing, "cub?size=3", "has the unknown option 'size'; it has no options"),
    (list_of_others, "cifar-fs", "train.txt names the class 'apple', of which there are no images"),
    (bad_table, "mini-imagenet", "train.csv cannot be read, expected the columns filename and label"),
    (absent_image, "mini-imagenet", "cannot read the image 'HERE/images/train0.jpg': No such file"),
    (nothing, "fc100", "is made of CIFAR-100, or folders train, val and test"),
    (pickled_cifar, "fc100", "has the version for Python, which is pickled and not read"),
]


def use(task):
    for source in (task.train, task.valid, task.test):
        source.episode(0)


def complaint(act):
    with pytest.raises(SymlossError) as error:
        act()
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("write", "dataset", "words"), FOLDERS)
def test_a_mistake_in_a_folder(write, dataset, words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path)
    dataset = dataset.replace("HERE", str(tmp_path))
    message = complaint(lambda: use(make_fewshot(dataset, 1, 1, 2, data=tmp_path)))
    assert words.replace("HERE", str(tmp_path)) in message


def failing(split, rng):
    raise RuntimeError("no data today")


def only_training(split, rng):
    return blobs(split, rng) if split == "train" else lines(split, rng)


def returning(value):
    return lambda split, rng: value


X, Y = np.zeros((3, 4)), np.arange(3)
SIDE = (X, Y)

FUNCTIONS = [
    (failing, "failed at", "RuntimeError: no data today; an episode function takes a split"),
    (lambda: None, "TypeError", "an episode function takes a split"),
    (returning(None), "returned a NoneType that is no pair of pairs; an episode function"),
    (returning((X, Y, X, Y)), "returned a tuple that is no pair of pairs"),
    (
        returning(((X[:2], Y), SIDE)),
        "the support set of train has inputs of shape (2, 4) and targets of shape (3,)",
    ),
    (
        returning(((X[:, 0], Y), SIDE)),
        "expected as many targets as inputs, and inputs of shape (n, features...)",
    ),
    (returning((("a", Y), SIDE)), "the support set of train is no array of numbers"),
    (returning(((X * np.nan, Y), SIDE)), "the support set of train has values that are NaN or infinite"),
    (returning((SIDE, (X, Y + 1))), "the query set of train has [0, 1, 1, 1] samples of its classes"),
    (returning((SIDE, (X, Y - 1))), "expected 1 of each of the classes 0 to 2, shape (3,)"),
    (returning((SIDE, (X, Y // 2))), "the query set of train has [2, 1, 0] samples of its classes"),
    (returning((SIDE, (X, Y * 1.0))), "has 3 values as targets for 3 ways, so it is regression"),
    (only_training, "the support set of valid has "),
]


@pytest.mark.parametrize(("function", "words"), [(row[0], row[1:]) for row in FUNCTIONS])
def test_a_mistake_in_a_function(function, words):
    shots, queries = (2, 4) if function is only_training else (1, 1)
    message = complaint(lambda: use(make_fewshot(function, 3, shots, queries)))
    assert all(part in message for part in words), message


SPECS = [
    ("glyfs", {}, "unknown few-shot data 'glyfs'; did you mean 'glyphs'?"),
    ("digits", {}, "your own are folder:PATH for a folder of class/image files, or path/to/file.py:function"),
    ("glyphs?warps=mild", {}, "has the unknown option 'warps'; did you mean 'warp'?"),
    ("glyphs?warp=stong", {}, "unknown strength of warps 'stong'; did you mean 'strong'?"),
    ("glyphs", {"ways": 142}, "valid has 141 classes, expected at least 142 for 142 ways; use fewer ways"),
    ("glyphs", {"ways": 0}, "ways must be an integer of at least 1, found 0"),
    ("glyphs", {"shots": 1.5}, "shots must be an integer of at least 1, found 1.5"),
    ("glyphs", {"queries": True}, "queries must be an integer of at least 1, found True"),
    ("glyphs", {"seed": -1}, "seed must be an integer of at least 0, found -1"),
    ("sinusoids", {"ways": 5}, "are regression, which has no classes, found 5 ways; use 1 way"),
    ("sinusoids?noise=1", {"ways": 1}, "has the unknown option 'noise'; it has no options"),
    ("none.py:episodes", {}, "few-shot data 'none.py:episodes': there is no file"),
]


@pytest.mark.parametrize(("dataset", "changes", "words"), SPECS)
def test_a_mistake_in_what_is_asked_for(dataset, changes, words):
    assert words in complaint(lambda: make_fewshot(dataset, **{"ways": 5, "shots": 1, **changes}))


def test_too_few_classes_or_images(tmp_path):
    classes(tmp_path)
    dataset = f"folder:{tmp_path}"
    words = "valid has 2 classes, expected at least 3 for 3 ways; use fewer ways or add classes"
    assert words in complaint(lambda: make_fewshot(dataset, 3, 1, 1))
    words = "a class of train has 4 images, expected at least 5 for shots and queries together"
    assert words in complaint(lambda: make_fewshot(dataset, 1, 2, 3))


def test_a_sheet_that_cannot_be_drawn_or_written(tmp_path):
    sinusoids = make_fewshot("sinusoids", 1, 5)
    assert "which are no images; leave out --png" in complaint(
        lambda: write_sheet(sinusoids, tmp_path / "s.png")
    )
    (tmp_path / "file").touch()
    glyphs = make_fewshot("glyphs", 5, 1)
    assert "cannot be written" in complaint(lambda: write_sheet(glyphs, tmp_path / "file" / "sheet.png"))
