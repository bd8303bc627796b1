"""Data files that are made to do harm: IDX, CIFAR, SVHN, CSV, NPZ and Parquet."""

import gzip
import struct
import zlib

import numpy as np
import pytest
from hostile_helpers import NOT_FILES, not_a_file, refused, sparse
from scipy.io import savemat

from symloss.tasks.cifar import read_pictures
from symloss.tasks.idx import read_idx
from symloss.tasks.registry import make_task
from symloss.tasks.svhn import FILES, load_svhn, read_digits
from symloss.tasks.tables import read_table

# --- IDX and CIFAR --------------------------------------------------------------------------------


def idx(*shape, content=b""):
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + content


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("data", "word"),
    [
        (idx(2**31, 2**31, 2**31), "announces shape"),
        (idx(2**32 - 1, 2**32 - 1, 1), "announces shape"),
        (idx(0, 2**31, 2**31), "announces shape"),
        (idx(1000, 28, 28, content=b"abc"), "has only 3"),
        (idx(1, 1, 1, content=b"a" * 10_000), "has more"),
        (b"\0\0\x08\x03\0", "ends within its header"),
        (b"", "starts with nothing"),
    ],
)
def test_idx(data, word, packed, tmp_path):
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(data) if packed else data)
    refused(lambda: read_idx(path, 3), word)


def test_idx_that_is_packed_wrongly(tmp_path):
    whole = gzip.compress(idx(10, 28, 28, content=b"x" * 7840))
    for number, data in enumerate(
        [b"\x1f\x8b", whole[:40], whole[:-8] + b"12345678", b"PK\x03\x04", b"\0" * 99]
    ):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(data)
        refused(lambda path=path: read_idx(path, 3), "get the file again")


def test_labels_beyond_the_classes(tmp_path):
    for name in ("train", "t10k"):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(40, 28, 28, content=bytes(40 * 784)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(40, content=bytes(range(216, 256))))
    refused(lambda: make_task("mnist", data_dir=tmp_path), "class")


def test_cifar(tmp_path):
    refused(lambda: read_pictures(sparse(tmp_path / "a", 2**40 // 3073 * 3073), (10,)), "expected a multiple")
    refused(lambda: read_pictures(sparse(tmp_path / "b", 3073, b"\xff"), (10,)), "has the label 255")
    refused(lambda: read_pictures(sparse(tmp_path / "c", 3072), (10,)), "expected a multiple")


# --- SVHN -----------------------------------------------------------------------------------------


def digits(path, compress=True, **changes):
    savemat(
        path,
        {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.array([[1], [2], [10], [3]]), **changes},
        do_compression=compress,
    )
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_what_scipy_writes_is_read(compress, tmp_path):
    images, labels = read_digits(digits(tmp_path / "x.mat", compress))
    assert images.shape == (4, 3, 32, 32)
    assert labels.tolist() == [1, 2, 0, 3]


def deep_cell(depth):
    found = np.zeros(1)
    for _ in range(depth):
        cell = np.empty(1, object)
        cell[0] = found
        found = cell
    return found


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"X": deep_cell(20)},
        {"X": {"a": {"b": 1}}},
        {"X": "text"},
        {"y": np.array([[1], [2], [11], [3]])},
        {"y": np.array([[np.nan], [2], [1], [3]])},
        {"X": np.zeros((32, 32, 3, 0), np.uint8), "y": np.zeros((0, 1))},
    ],
    ids=range(6),
)
def test_digits_that_are_none(changes, compress, tmp_path):
    refused(lambda: read_digits(digits(tmp_path / "x.mat", compress, **changes)), "expected X of bytes")


def test_cells_are_not_entered(tmp_path, monkeypatch):
    monkeypatch.setattr("scipy.io.loadmat", lambda *arguments, **options: pytest.fail("entered"))
    refused(lambda: read_digits(digits(tmp_path / "x.mat", X=deep_cell(20))), "X nothing")


def mat(*parts):
    """A MATLAB file of parts (kind, announced bytes, content)."""
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return head + b"".join(struct.pack("<II", kind, size) + content for kind, size, content in parts)


BOMB = zlib.compress(struct.pack("<II", 14, 2**31) + bytes(2**24), 9)

MATS = [
    (mat(*[(14, 0, b"")] * 200), "more than 100 parts"),
    (mat((14, 2**32 - 1, b"")), "svhn"),
    (mat((15, 2**32 - 1, b"abc")), "svhn"),
    (mat((15, len(BOMB), BOMB)), "svhn"),
    (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n", "svhn"),
    (b"", "no MATLAB file of version 5"),
    (bytes(2000), "no MATLAB file of version 5"),
]


@pytest.mark.parametrize(("data", "word"), MATS, ids=range(len(MATS)))
def test_matlab_files(data, word, tmp_path):
    path = tmp_path / "svhn.mat"
    path.write_bytes(data)
    refused(lambda: read_digits(path), word)


def test_what_is_no_matlab_file(tmp_path):
    for file in FILES:
        not_a_file(tmp_path / file, "pipe")
    refused(lambda: load_svhn(tmp_path), "no folder has the data set")
    refused(lambda: read_digits(tmp_path / FILES[0]), "not an ordinary file")
    refused(lambda: read_digits(sparse(tmp_path / "x", 2**40)), "larger than 512 MiB")


# --- tables ---------------------------------------------------------------------------------------

TABLES = [
    ("x.csv", b"a,b\n" + b'"' * 1_000_000, "line 2"),
    ("x.csv", b"a,b\n1," + b"x" * 200_000, "field larger than"),
    ("x.csv", b"a," * 150_000 + b"a\n", "columns"),
    ("x.csv", b"a,a\n1,2\n", "two columns are called 'a'"),
    ("x.csv", b"a,b\n1,\0\n", "found a NUL"),
    ("x.csv", "a,b\n1,2\n".encode("utf-16"), "not text in UTF-8"),
    ("x.csv", b"a,b\n1,\xff\n", "not text in UTF-8"),
    ("x.csv", b"a,b\n1,inf\n", "infinite"),
    ("x.csv", b"a,b\n1,1e999999999\n", "infinite"),
    ("x.csv", b"a\n" + b"x\n" * 2_000 + b"x" * 100_000 + b"\n", "too long for categories"),
    ("x.csv", b"", "no rows"),
    ("x.npz", b"PK\x05\x06" + bytes(18), "no rows"),
    ("x.npz", b"\x80\x04K\x01.", "cannot be read"),
    ("x.parquet", b"PAR1" + bytes(100) + b"PAR1", "cannot be read"),
    ("x.parquet", b"PAR1\xff\xff\xff\x7fPAR1", "cannot be read"),
    ("x.parquet", b"", "cannot be read"),
]


@pytest.mark.parametrize(("name", "data", "word"), TABLES, ids=range(len(TABLES)))
def test_tables(name, data, word, tmp_path):
    (tmp_path / name).write_bytes(data)
    refused(lambda: read_table(tmp_path / name), word)


@pytest.mark.parametrize("name", ["x.csv", "x.npz", "x.parquet"])
@pytest.mark.parametrize("what", NOT_FILES)
def test_tables_that_are_no_files(name, what, tmp_path):
    not_a_file(tmp_path / name, what)
    refused(lambda: read_table(tmp_path / name), "annot read")
    refused(lambda: make_task(f"table:{tmp_path / name}?target=y"), "there is no table")


@pytest.mark.parametrize("name", ["x.csv", "x.npz", "x.parquet"])
def test_huge_tables(name, tmp_path):
    refused(lambda: read_table(sparse(tmp_path / name, 2**40)), "x.")


def test_a_line_without_an_end(tmp_path):
    refused(lambda: read_table(sparse(tmp_path / "x.csv", 2**33)), "line 1: found a NUL")
    (tmp_path / "x.csv").write_bytes(b"a" * (2**24 + 1))
    refused(lambda: read_table(tmp_path / "x.csv"), "more than 16777216 characters")


def test_many_columns_take_no_long_search(tmp_path):
    (tmp_path / "x.csv").write_text(",".join(f"c{number}" for number in range(90_000)) + "\n")
    refused(lambda: read_table(tmp_path / "x.csv"), "no rows")


def test_a_column_whose_name_looks_like_another(tmp_path):
    (tmp_path / "x.csv").write_text("\u0430ge,y\n1,2\n3,4\n")
    refused(lambda: make_task(f"table:{tmp_path / 'x.csv'}?target=age"), "did you mean '\u0430ge'")
    refused(lambda: make_task(f"table:{tmp_path / 'x.csv'}?target=\u0443"), "U+0443 CYRILLIC SMALL LETTER U")


# --- Parquet --------------------------------------------------------------------------------------

pyarrow = pytest.importorskip("pyarrow")


def parquet(path, table, **options):
    from pyarrow import parquet as module

    module.write_table(pyarrow.table(table), path, **options)
    return path


def test_texts_of_parquet_files(tmp_path):
    column = ["b", None, "", "a", "b"]
    for dictionary in (True, False):
        path = parquet(tmp_path / "x.parquet", {"t": column}, use_dictionary=dictionary)
        assert read_table(path)["t"].tolist() == ["b", "", "", "a", "b"]
    coded = pyarrow.array(column).dictionary_encode()
    assert read_table(parquet(path, {"t": coded}))["t"].tolist() == ["b", "", "", "a", "b"]


def test_a_long_text_in_many_rows(tmp_path):
    codes = pyarrow.array(np.zeros(100_000, np.int32))
    column = pyarrow.DictionaryArray.from_arrays(codes, ["x" * 100_000])
    path = parquet(tmp_path / "x.parquet", {"t": column})
    assert path.stat().st_size < 100_000
    refused(lambda: read_table(path), "too long for categories")


def test_many_equal_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("symloss.tasks.tables.ROOM", 2**20)
    path = parquet(tmp_path / "x.parquet", {"a": np.zeros(1_000_000)})
    assert path.stat().st_size < 10_000
    refused(lambda: read_table(path), "announces 7.629 MiB, 1000000 rows of 1 columns")


@pytest.mark.parametrize("depth", [5, 50])
def test_columns_that_hold_columns(depth, tmp_path):
    kind = pyarrow.int64()
    for _ in range(depth):
        kind = pyarrow.list_(kind)
    path = parquet(tmp_path / "x.parquet", {"a": pyarrow.array([None, None], kind)})
    refused(lambda: read_table(path), "x.parquet")
