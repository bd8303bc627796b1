"""Small files that would become very large ones, read by a process that is not given the memory for that."""

import gzip
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
import torch

ROOM = 2**30
"""Bytes that the process may take beyond its libraries; read in full, most of the files would become more."""

READER = """
import json, resource, sys
from pathlib import Path
import pyarrow.parquet, scipy.io, torch
from symloss.errors import SymlossError
from symloss.export.read import constants_in
from symloss.fewshot.episodes.trees import read_archive
from symloss.tasks.idx import read_idx
from symloss.tasks.svhn import read_digits
from symloss.tasks.tables import read_table

used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[1]),) * 2)
READERS = {"table": read_table, "images": read_archive, "idx": lambda path: read_idx(path, 3),
           "digits": read_digits, "tensors": constants_in}
for name, reader in json.loads(sys.argv[2]).items():
    try:
        READERS[reader](Path(name))
        said = "it was read"
    except SymlossError as error:
        said = f"refused: {error}"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([name, said]), flush=True)
"""


PLAIN = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""The other ones take a gigabyte of addresses at once, which the limit counts though none of it is used."""


def zeros(count):
    """Gzip of very many zeros, as members one behind another, which takes no time to make."""
    part = gzip.compress(bytes(2**24), 1)
    return part * (count // 2**24)


def npz(path, shape, content=True):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in ("x", "y"):
            head = io.BytesIO()
            form = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(head, form)
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(head.getvalue())
                for _ in range(content * shape[0] // 2**22):
                    member.write(bytes(2**22))


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    """The files, and how each is read."""
    import pyarrow
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("bombs")
    npz(folder / "deflated.npz", (2**27,))
    npz(folder / "announced.npz", (2**44,), content=False)
    shape = b"\0\0\x08\x03" + (2**28).to_bytes(4, "big") + b"\0\0\0\1" * 2
    (folder / "many.gz").write_bytes(gzip.compress(shape) + zeros(2**31))
    table = pyarrow.table(
        {"a": pyarrow.DictionaryArray.from_arrays(np.zeros(2**20, np.int32), ["x" * 2**16])}
    )
    parquet.write_table(table, folder / "text.parquet")
    numbers = pyarrow.table({f"c{number}": np.zeros(2**21) for number in range(65)})
    parquet.write_table(numbers, folder / "numbers.parquet")
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    packed = zlib.compressobj(1)
    inside = b"".join(packed.compress(bytes(2**24)) for _ in range(33)) + packed.flush()
    (folder / "digits.mat").write_bytes(head + struct.pack("<II", 15, len(inside)) + inside)
    buffer = io.BytesIO()
    torch.save({"constants": torch.zeros(1).expand(2**42)}, buffer)
    (folder / "expanded.pt").write_bytes(buffer.getvalue())
    return {
        folder / "deflated.npz": "images",
        folder / "announced.npz": "images",
        folder / "text.parquet": "table",
        folder / "numbers.parquet": "table",
        folder / "digits.mat": "digits",
        folder / "expanded.pt": "tensors",
        folder / "many.gz": "idx",
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is counted as Linux does")
def test_bombs_are_refused_in_little_memory(bombs):
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            READER,
            str(ROOM),
            json.dumps({str(path): how for path, how in bombs.items()}),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **PLAIN},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = dict(json.loads(line) for line in done.stdout.splitlines())
    assert len(said) == len(bombs), done.stderr
    assert all(text.startswith("refused: ") for text in said.values()), said
    assert all(path.stat().st_size < 2**25 for path in bombs)
