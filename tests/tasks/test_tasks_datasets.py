"""The built-in data sets, and the IDX reader on files written here."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import TASKS, Corruption, make_task
from symloss.tasks.datasets import LOADERS
from symloss.tasks.folders import folders
from symloss.tasks.idx import FILES, load_idx, read_idx
from symloss.tasks.mnist1d import generate

RNG = np.random.default_rng(0)


def idx_bytes(values: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_set(folder: Path, train=200, test=40, compressed=False) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, n in zip(FILES, (train, train, test, test), strict=True):
        values = np.arange(n) % 10 if "labels" in name else RNG.integers(0, 256, (n, 28, 28))
        arrays[name] = values
        content = idx_bytes(values)
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(content) if compressed else content)
    return arrays


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Nothing is found outside tmp_path."""
    monkeypatch.delenv("SYMLOSS_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = folders("mnist")
    monkeypatch.setattr("symloss.tasks.folders.folders", lambda name, data_dir=None: [
        *folders(name, data_dir)[:-1], tmp_path / "system" / name
    ])  # fmt: skip
    assert found[-1] == Path("/usr/share/datasets/mnist")


def test_names_and_loaders_are_the_same():
    assert list(TASKS) == list(LOADERS)


def test_listing_tasks_imports_no_torch():
    code = "import sys; from symloss.tasks import TASKS; assert TASKS; print('torch' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == "False"
    used = code.replace("assert TASKS", "from symloss.tasks import Task")
    other = subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "True", "the check above cannot fail"


def test_every_exported_name_exists():
    import symloss.tasks as tasks

    assert set(tasks._HOMES) | {"CORRUPTIONS", "TASKS"} == set(tasks.__all__)
    assert all(getattr(tasks, name) is not None for name in tasks.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tasks.nonsense


@pytest.mark.parametrize(
    ("name", "shape", "sizes", "kind", "metric"),
    [
        ("digits", (1, 8, 8), (1079, 359, 359), Kind.MULTICLASS, "error"),
        ("diabetes", (10,), (266, 88, 88), Kind.REGRESSION, "mse"),
        ("wine", (13,), (106, 36, 36), Kind.MULTICLASS, "error"),
        ("breast-cancer", (30,), (343, 113, 113), Kind.BINARY, "error"),
        ("mnist1d", (40,), (3200, 800, 1000), Kind.MULTICLASS, "error"),
    ],
)
def test_built_in_tasks(name, shape, sizes, kind, metric):
    task = make_task(name)
    assert task.input_shape == shape
    assert (len(task.train), len(task.valid), len(task.test)) == sizes
    assert (task.kind, task.metric, task.model_name) == (kind, metric, "mlp")
    assert task.make_model()(task.test.x[:3]).shape == (3, task.num_outputs)


def test_digits_are_images_between_zero_and_one():
    task = make_task("digits", model="lenet5")
    assert float(task.train.x.min()) == 0
    assert float(task.train.x.max()) == 1
    assert task.model_name == "lenet5"


def test_mnist1d_is_the_same_from_the_same_seed_and_learnable():
    (x, y), (again, _), (other, _) = generate(300), generate(300), generate(300, seed=1)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, other)
    assert x.shape == (300, 40)
    assert np.bincount(y).tolist() == [30] * 10
    assert np.isfinite(x).all()
    # Samples of a class resemble each other: the shifted template is found in them again.
    task = make_task("mnist1d")
    torch.manual_seed(0)
    model = task.make_model()
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        rows = torch.randint(len(task.train), (128,))
        loss = torch.nn.functional.cross_entropy(model(task.train.x[rows]), task.train.y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    wrong = (model(task.test.x).argmax(1) != task.test.y).float().mean()
    assert 0.2 < float(wrong) < 0.6, "chance is 0.9"


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_files_are_read_back(tmp_path, compressed):
    written = write_set(tmp_path, compressed=compressed)
    arrays, folder = load_idx("mnist", tmp_path)
    assert folder == tmp_path
    for name, array in zip(FILES, arrays, strict=True):
        np.testing.assert_array_equal(array, written[name])


def test_a_task_from_idx_files(tmp_path):
    written = write_set(tmp_path)
    task = make_task("mnist", data_dir=tmp_path)
    assert (len(task.train), len(task.valid), len(task.test)) == (180, 20, 40)
    assert task.model_name == "lenet5"
    assert torch.bincount(task.valid.y).tolist() == [2] * 10
    expected = (written[FILES[2]][:, None] / 255 - 0.1307) / 0.3081
    torch.testing.assert_close(task.test.x, torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)
    assert task.test.y.tolist() == written[FILES[3]].tolist()
    assert task.notes == (f"read from {tmp_path}",)
    small = make_task("mnist", data_dir=tmp_path, train_size=50, corruption=Corruption(label_noise=0.5))
    assert len(small.train) == 50
    assert "25 of 50" in small.notes[-1]
    mistaken = make_task("mnist", data_dir=tmp_path, corruption=Corruption(asymmetric_noise=0.5))
    assert mistaken.notes[-1].endswith("replaced, class 7 by 1, 2 by 7, 5 by 6, 6 by 5, 3 by 8")


def test_folders_are_searched_in_order(tmp_path, monkeypatch, no_data):
    places = [tmp_path / "system/mnist", tmp_path / "home/.cache/symloss/mnist", tmp_path / "env/mnist"]
    monkeypatch.setenv("SYMLOSS_DATA", str(tmp_path / "env"))
    for place in places:
        write_set(place)
        assert load_idx("mnist")[1] == place
    explicit = tmp_path / "explicit"
    write_set(explicit)
    assert load_idx("mnist", explicit)[1] == explicit
    write_set(tmp_path / "all/mnist/MNIST/raw")  # as torchvision has it, in the folder for many sets
    assert load_idx("mnist", tmp_path / "all")[1] == tmp_path / "all/mnist"
    (explicit / FILES[2]).unlink()
    assert load_idx("mnist", explicit)[1] == places[-1], "an incomplete folder was taken"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_missing_files_are_explained(tmp_path, name, no_data):
    with pytest.raises(TaskError) as raised:
        make_task(name, data_dir=tmp_path / "nowhere")
    message = str(raised.value)
    for part in (
        *FILES,
        str(tmp_path / "nowhere"),
        str(tmp_path / "home/.cache/symloss" / name),
        "data_dir",
        f"symloss data get {name}",
    ):
        assert part in message
    assert ("dataset-fashion-mnist" in message) == (name == "fashion-mnist")


GOOD = idx_bytes(np.arange(12).reshape(3, 2, 2))
ZIPPED = gzip.compress(GOOD, mtime=0)
DAMAGED = [
    ("wrong magic", b"PNG!" + GOOD[4:], "starts with 504e4721, expected 00000803"),
    ("wrong type", b"\0\0\x0d\3" + GOOD[4:], "starts with 00000d03"),
    ("wrong dimensions", idx_bytes(np.arange(3)), "starts with 00000801, expected 00000803"),
    ("empty", b"", "starts with nothing"),
    ("cut header", GOOD[:9], "ends within its header"),
    ("cut values", GOOD[:-1], "announces 12 values and has only 11"),
    ("too long", GOOD + b"\0", "announces 12 values and has more"),
    ("huge", GOOD[:4] + struct.pack(">3I", 2**31, 2**31, 9), "announces shape"),
    ("no values", GOOD[:4] + struct.pack(">3I", 0, 2, 2), "announces shape"),
]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("content", "message"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED]
)
def test_damaged_idx_files_are_refused(tmp_path, content, message, compressed):
    path = tmp_path / ("file.gz" if compressed else "file")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(TaskError, match=message) as raised:
        read_idx(path, 3)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        ZIPPED[:-12],
        ZIPPED[:10] + b"\xff" * 20,
        ZIPPED[:-8] + b"\0" * 4 + ZIPPED[-4:],
    ],
    ids=["no gzip", "cut", "invalid block", "wrong checksum"],
)
def test_damaged_compression_is_refused(tmp_path, content):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(TaskError, match="cannot be read"):
        read_idx(path, 3)


def test_the_undamaged_file_is_accepted(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    assert read_idx(path, 3).tolist() == np.arange(12).reshape(3, 2, 2).tolist()


def test_images_without_labels_are_refused(tmp_path):
    write_set(tmp_path)
    (tmp_path / FILES[1]).write_bytes(idx_bytes(np.zeros(199)))
    with pytest.raises(TaskError, match="200 images for 199 labels"):
        load_idx("mnist", tmp_path)


REAL = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not REAL.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMLOSS_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    task = make_task("fashion-mnist")
    assert (len(task.train), len(task.valid), len(task.test)) == (54000, 6000, 10000)
    assert torch.bincount(task.valid.y).tolist() == [600] * 10
    assert torch.bincount(task.test.y).tolist() == [1000] * 10
    assert abs(float(task.train.x.mean())) < 0.01
    assert abs(float(task.train.x.std()) - 1) < 0.01
    assert task.notes == (f"read from {REAL}",)
