"""What every loader stands on: bytes, text, JSON, arrays and tensors of files made to do harm."""

import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hostile_helpers import DEEP, NOT_FILES, not_a_file, refused, sparse

from symloss.errors import RunError, TaskError
from symloss.reading.arrays import read_arrays
from symloss.reading.files import json_value, read_bytes, read_text
from symloss.reading.tensors import tensors_in

# --- bytes and text -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", NOT_FILES)
def test_only_ordinary_files_are_opened(what, tmp_path):
    path = not_a_file(tmp_path / "x", what)
    refused(lambda: read_bytes(path, "the file", 100, RunError), "cannot read the file '")


def test_a_link_to_an_ordinary_file_is_one(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "y").symlink_to(tmp_path / "x")
    assert read_bytes(tmp_path / "y", "", 3, RunError) == b"abc"


def test_a_huge_file_is_refused_by_its_size_alone(tmp_path):
    path = sparse(tmp_path / "x", 2**40)
    refused(lambda: read_bytes(path, "the file", 2**20, RunError), "is larger than 1 MiB")


def test_a_file_that_grows_is_not_read_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"abcd")
    monkeypatch.setattr("symloss.reading.files.check_ordinary", lambda *arguments: 0)
    refused(lambda: read_bytes(path, "", 3, RunError), "larger than 3 bytes")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_names_that_no_file_can_have(name, tmp_path):
    assert "\0" not in refused(lambda: read_bytes(tmp_path / name, "the file", 9, RunError), "cannot read")


@pytest.mark.parametrize("data", [b"\xff\xfea\0", b"caf\xe9", "text".encode("utf-16")])
def test_text_is_utf_8(data, tmp_path):
    (tmp_path / "x").write_bytes(data)
    refused(lambda: read_text(tmp_path / "x", "the text", RunError), "it is not text in UTF-8")


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[" * DEEP, "nested too deep"),
        ('{"a":' * DEEP, "nested too deep"),
        ('{"a": 1, "a": 2}', "the name 'a' is given twice"),
        ('{"b": {"\u0430": 1, "\u0430": 2}}', r"the name '\u0430' is given twice"),
        ("NaN", "NaN is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("1e999999999", "too large"),
        ("-1e999", "too large"),
        ("9" * 10_000_000, "10000000 digits"),
        ("0." + "9" * 10_000_000, "too long"),
    ],
)
def test_json_that_no_program_writes(text, word):
    with pytest.raises(ValueError, match=re.escape(word)) as caught:
        json_value(text)
    assert len(str(caught.value)) < 300


# --- arrays ---------------------------------------------------------------------------------------


def header(shape, descr="'|u1'", version=1):
    """What stands before the values of an array in NumPy's format."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def archive(path, members, compress=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compress) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def pickled():
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)
    return buffer.getvalue()


FALSE = [
    (header("(4294967296, 4294967296)"), "announces more than it has"),
    (header("(1099511627776,)", version=2), "announces more than it has"),
    (header("(9" + "9" * 4000 + ",)"), "announces more than it has"),
    (header("(-1, -8)") + b"12345678", "announces more than it has"),
    (header("(1099511627776,)", "'<U0'"), "announces more than it has"),
    (header("(1,)", "'|O'") + b"\x80\x04.", "Python objects"),
    (pickled(), "Python objects"),
    (header("(" + "(" * 5000 + ")" * 5000 + ")"), "x.npz cannot be read"),
    (header("-" * 9000 + "1"), "x.npz cannot be read"),
    (header("(1,)", "[" * 4000), "x.npz cannot be read"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "x.npz cannot be read"),
    (b"\x93NUMPY\x09\x00\x01\x00 ", "version 9.0"),
    (b"", "x.npz cannot be read"),
]


@pytest.mark.parametrize(("data", "word"), FALSE)
def test_headers_that_do_not_tell_the_truth(data, word, tmp_path):
    path = archive(tmp_path / "x.npz", [("x.npy", data)])
    refused(lambda: read_arrays(path, TaskError, "expected arrays"), word, "expected arrays")


def test_an_archive_with_two_arrays_of_one_name(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "x.npz", [("x.npy", header("(1,)") + b"1")] * 2)
    refused(lambda: read_arrays(path, TaskError, ""), "two arrays called 'x'")


def test_names_that_lead_elsewhere_are_names(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = archive(
        inside / "x.npz", [("../../x.npy", header("(1,)") + b"1"), ("/tmp/y.npy", header("(1,)") + b"2")]
    )
    assert sorted(read_arrays(path, TaskError, "")) == ["../../x", "/tmp/y"]
    assert [own.name for own in tmp_path.rglob("*")] == ["inside", "x.npz"]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04K\x01.", b"\0" * 1000])
def test_what_is_no_archive(data, tmp_path):
    (tmp_path / "x.npz").write_bytes(data)
    refused(lambda: read_arrays(tmp_path / "x.npz", TaskError, "expected arrays"), "expected arrays")


# --- tensors --------------------------------------------------------------------------------------


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def with_pickle(data, pickled, compress=zipfile.ZIP_STORED):
    """A file of `torch.save` with another pickle in it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w", compress) as new:
        for member in old.infolist():
            new.writestr(member.filename, pickled if member.filename.endswith(".pkl") else old.read(member))
    return changed.getvalue()


STATE = saved({"constants": torch.arange(4.0)})


def nested(depth):
    """Lists of ten times the same list: very many parts in a few bytes."""
    found = [0] * 10
    for _ in range(depth):
        found = [found] * 10
    return found


class Evil:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


PICKLES = [
    (pickle.dumps(Evil(exec, "open('ran', 'w')"), 2), "asks for"),
    (pickle.dumps(Evil(exec, "open('ran', 'w')"), 4), "asks for something"),
    (pickle.dumps(Evil(bytearray, 2**33), 2), "bytearray"),
    (pickle.dumps(OrderedDict(a=Evil(open, "ran", "w")), 2), "asks for"),
    (pickle.dumps(nested(12), 2), "more than 200000 parts"),
    (b"\x80\x02" + b"(" * DEEP, ""),
    (b"\x80\x02" + b"0" * 2**22 + b".", "one list of tensors"),
    (b"", ""),
]


@pytest.mark.parametrize(("data", "word"), PICKLES, ids=range(len(PICKLES)))
def test_pickles_that_ask_for_more_than_tensors(data, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=word or None):
        tensors_in(with_pickle(STATE, data))
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_holds_itself():
    found = []
    found.append(found)
    with pytest.raises(ValueError, match="more than 200000 parts"):
        tensors_in(with_pickle(STATE, pickle.dumps(found, 2)))


def test_a_tensor_of_one_number_repeated_without_end():
    with pytest.raises(ValueError, match="fewer numbers than that"):
        tensors_in(saved({"constants": torch.zeros(1).expand(2**40)}))


def test_an_archive_that_is_compressed():
    with zipfile.ZipFile(io.BytesIO(STATE)) as old:
        own = next(name for name in old.namelist() if name.endswith(".pkl"))
        data = with_pickle(STATE, old.read(own), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        tensors_in(data)


def test_the_older_format_is_a_pickle():
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, buffer, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="not an archive of tensors"):
        tensors_in(buffer.getvalue())


def test_what_is_saved_here_is_read_back():
    state = {
        "a": [torch.arange(3), torch.zeros(2, 2, dtype=torch.float64), torch.tensor(True)],
        "b": OrderedDict(x=torch.nn.Parameter(torch.ones(2)), y=torch.Size([1, 2])),
        "rng": torch.Generator().get_state(),
        "c": (1, 2.5, "text", None, True),
    }
    found = tensors_in(saved(state))
    assert found["c"] == state["c"]
    assert torch.equal(found["b"]["x"], state["b"]["x"])
    assert torch.equal(found["rng"], state["rng"])
    assert [own.dtype for own in found["a"]] == [own.dtype for own in state["a"]]
