"""Images and few-shot data that are made to do harm."""

import struct
import zlib

import numpy as np
import pytest
from hostile_helpers import NOT_FILES, not_a_file, refused, sparse
from PIL import Image

from symloss.fewshot.episodes import make_fewshot
from symloss.fewshot.episodes.pictures import Look, image_form, read_image
from symloss.fewshot.episodes.trees import read_archive

LOOK = Look(1, 8)


def png(width, height, content=b"", depth=8, extra=b""):
    """A PNG with any header."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + extra + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def text_chunk(size):
    data = b"a\0\0" + zlib.compress(bytes(size), 9)
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


def tiff(entries):
    """A TIFF with these entries (tag, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4)


IMAGES = [
    (png(2**31 - 1, 2**31 - 1), "too large an image"),
    (png(30_000, 30_000, zlib.compress(bytes(2**20))), "too large an image"),
    (png(9_000, 9_000), "expected at most"),
    (png(0, 0), "x.png"),
    (png(8, 8, extra=text_chunk(2**26)), "x.png"),
    (png(8, 8, zlib.compress(b"abc")), "x.png"),
    (png(8, 8)[:40], "x.png"),
    (b"GIF89a\xff\xff\xff\xff\0\0\0", "x.png"),
    (b"BM" + bytes(8) + struct.pack("<IIii", 54, 40, 2**31 - 1, 2**31 - 1) + bytes(40), "x.png"),
    (b"P5 99999999999999999999 99999999999999999999 255\n", "x.png"),
    (b"P5 " + b"9" * 10_000 + b" 1 255\n", "x.png"),
    (tiff([(256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1)]), "x.png"),
    (tiff([(256, 4, 2**32 - 1, 8)]), "x.png"),
    (tiff([]), "x.png"),
    (b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(30), "x.png"),
    (b"\xff\xd8\xff\xe0" + bytes(100), "x.png"),
    (b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known kind"),
    (b"", "no image of a known kind"),
]


@pytest.mark.parametrize(("data", "word"), IMAGES, ids=range(len(IMAGES)))
def test_images(data, word, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    refused(lambda: read_image(path, LOOK), word)


@pytest.mark.parametrize("read", [image_form, lambda path: read_image(path, LOOK)])
@pytest.mark.parametrize("what", NOT_FILES)
def test_images_that_are_no_files(read, what, tmp_path):
    path = not_a_file(tmp_path / "x.png", what)
    refused(lambda: read(path), "cannot read the image")


@pytest.mark.parametrize(
    "begin", [b"", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_huge_images(begin, tmp_path):
    refused(lambda: image_form(sparse(tmp_path / "x.webp", 2**40, begin)), "larger than 256 MiB")


def images(folder, count=4):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_a_folder_of_classes_with_what_is_no_file(what, tmp_path):
    for name in "abcd":
        images(tmp_path / name)
    not_a_file(tmp_path / "b" / "4.png", what)
    refused(lambda: make_fewshot(f"folder:{tmp_path}", 1, 1, 1), "cannot read the image")


def test_a_folder_that_holds_itself(tmp_path):
    for name in "abcd":
        images(tmp_path / name)
    (tmp_path / "e").symlink_to(tmp_path)
    make_fewshot(f"folder:{tmp_path}", 1, 1, 1).train.episode(0)


@pytest.mark.parametrize(
    "name", ["folder:a\0b", "folder:" + "x" * 5000, "folder:~nobody-here/x", "gl\u0443phs", "-x"]
)
def test_names_of_data(name):
    refused(lambda: make_fewshot(name, 1, 1, 1))


def test_pixels_that_are_no_pixels(tmp_path):
    for number, arrays in enumerate(
        [
            {"x": np.zeros((2, 8, 8)), "y": np.zeros(2, int)},
            {"x": np.zeros((2, 8, 8), np.uint8), "y": np.zeros(2)},
            {"x": np.zeros((2, 0, 8), np.uint8), "y": np.zeros(2, int)},
            {"x": np.zeros((), np.uint8), "y": np.zeros((), int)},
        ]
    ):
        path = tmp_path / f"{number}.npz"
        np.savez(path, **arrays)
        refused(lambda path=path: read_archive(path), str(path))


@pytest.fixture
def mini(tmp_path):
    """mini-ImageNet in its first form, but for the three tables."""
    images(tmp_path / "images")
    return tmp_path


TABLES = [
    b"filename,label\n../../../etc/passwd,a\n",
    b"filename,label\n/dev/zero,a\n",
    b"filename,label\n..,a\n",
    b"filename,label\nx\0y,a\n",
    b"filename,label\na\n",
    b"filename,label\n\xff,a\n",
    "filename,label\n".encode("utf-16"),
    b'filename,label\n"' + b"x" * 200_000,
    b"filename,l\xd0\xb0bel\na,b\n",
    b"",
]


@pytest.mark.parametrize("table", TABLES, ids=range(len(TABLES)))
def test_tables_of_images(table, mini):
    for split in ("train", "val", "test"):
        (mini / f"{split}.csv").write_bytes(table)
    refused(lambda: make_fewshot("mini-imagenet", 1, 1, 1, data=mini).train.episode(0))


def test_huge_tables_of_images(mini):
    for split in ("train", "val", "test"):
        sparse(mini / f"{split}.csv", 2**40)
    refused(lambda: make_fewshot("mini-imagenet", 1, 1, 1, data=mini), "larger than")


@pytest.mark.parametrize("text", [b"\xff", b"../../x\n", "\u0430\n".encode()])
def test_lists_of_classes(text, tmp_path):
    images(tmp_path / "data" / "a")
    for split in ("train", "val", "test"):
        (tmp_path / "splits" / "bertinetto").mkdir(parents=True, exist_ok=True)
        (tmp_path / "splits" / "bertinetto" / f"{split}.txt").write_bytes(text)
    refused(lambda: make_fewshot("cifar-fs", 1, 1, 1, data=tmp_path), "train.txt")
