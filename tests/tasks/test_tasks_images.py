"""CIFAR and SVHN from files written here in the published formats."""

import pickle

import numpy as np
import pytest
import torch
from scipy.io import savemat

from symloss.errors import TaskError
from symloss.tasks import Corruption, make_task
from symloss.tasks.cifar import VERSIONS, read_pictures
from symloss.tasks.svhn import FILES, read_digits

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    """Nothing is found outside tmp_path."""
    monkeypatch.delenv("SYMLOSS_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def write_cifar(folder, name, per_file=100):
    """Files of the binary version; returns pixels (n, 3, 32, 32) and labels of the last, the test part."""
    folder.mkdir(parents=True, exist_ok=True)
    version = VERSIONS[name]
    for file in (*version.train, *version.test):
        fine = np.arange(per_file) % version.labels[-1]
        coarse = fine // 5  # five classes in each superclass, as in CIFAR-100, in another order than there
        labels = np.column_stack([coarse, fine] if name == "cifar100" else [fine])
        pixels = RNG.integers(0, 256, (per_file, 3, 32, 32))
        content = np.column_stack([labels, pixels.reshape(per_file, -1)]).astype(np.uint8)
        (folder / file).write_bytes(content.tobytes())
    return pixels, fine


def test_cifar10_is_read_scaled_and_split(tmp_path):
    pixels, labels = write_cifar(tmp_path / "cifar10/cifar-10-batches-bin", "cifar10")
    task = make_task("cifar10", data_dir=tmp_path)
    assert (len(task.train), len(task.valid), len(task.test)) == (450, 50, 100)
    assert task.input_shape == (3, 32, 32)
    assert (task.num_outputs, task.model_name) == (10, "lenet5")
    assert torch.bincount(task.valid.y).tolist() == [5] * 10
    mean, deviation = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    for channel in range(3):
        expected = (pixels[:, channel] / 255 - mean[channel]) / deviation[channel]
        found = task.test.x[:, channel]
        torch.testing.assert_close(found, torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)
    assert task.test.y.tolist() == labels.tolist()
    assert task.notes[0] == f"read from {tmp_path / 'cifar10/cifar-10-batches-bin'}"


def test_pictures_stay_bytes_until_they_are_scaled(tmp_path):
    from symloss.tasks.datasets import LOADERS

    write_cifar(tmp_path, "cifar10")
    data = LOADERS["cifar10"](tmp_path)
    assert data.x.dtype == data.official_test[0].dtype == np.uint8


def test_cifar10_labels_are_mistaken_as_in_the_literature(tmp_path):
    write_cifar(tmp_path, "cifar10")
    task = make_task("cifar10", data_dir=tmp_path, corruption=Corruption(asymmetric_noise=0.4))
    assert task.notes[-1].endswith("class 9 by 1, 2 by 0, 4 by 7, 3 by 5, 5 by 3")


def test_cifar100_has_the_fine_labels_and_confusions_within_a_superclass(tmp_path):
    pixels, labels = write_cifar(tmp_path / "cifar-100-binary", "cifar100", per_file=1000)
    task = make_task("cifar100", data_dir=tmp_path)
    assert (len(task.train), len(task.valid), len(task.test)) == (900, 100, 1000)
    assert task.test.y.tolist() == labels.tolist()
    assert task.num_outputs == 100
    expected = (pixels[0, 2] / 255 - 0.4408) / 0.2761
    torch.testing.assert_close(task.test.x[0, 2], torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)
    following = dict(task.confusions)
    assert following[0] == 1
    assert following[4] == 0
    assert following[97] == 98
    assert following[99] == 95
    assert len(following) == 100


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_pickled_files_are_refused_without_being_opened(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    inner, file = VERSIONS[name].pickled
    (tmp_path / inner).mkdir()
    (tmp_path / inner / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TaskError, match="pickled") as raised:
        make_task(name, data_dir=tmp_path)
    for part in (str(tmp_path / inner), "binary version", VERSIONS[name].inner, f"symloss data get {name}"):
        assert part in str(raised.value)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn"])
def test_missing_files_are_explained(tmp_path, name):
    with pytest.raises(TaskError, match=f"symloss data get {name}") as raised:
        make_task(name, data_dir=tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(raised.value)
    assert "pickled" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, expected a multiple of 3073"),
        (bytes(3072), "has 3072 bytes"),
        (bytes(3074), "has 3074 bytes"),
        (bytes([10]) + bytes(3072), "the label 10, expected 0 to 9"),
    ],
)
def test_damaged_cifar_files_are_refused(tmp_path, content, message):
    (tmp_path / "file.bin").write_bytes(content)
    with pytest.raises(TaskError, match=message) as raised:
        read_pictures(tmp_path / "file.bin", (10,))
    assert str(tmp_path / "file.bin") in str(raised.value)


def test_an_undamaged_cifar_file_is_accepted(tmp_path):
    (tmp_path / "file.bin").write_bytes(bytes([9]) + bytes(range(256)) * 12)
    found = read_pictures(tmp_path / "file.bin", (10,))
    assert found.labels.tolist() == [9]
    assert found.images[0, 0, 1, 0] == 32, "a row follows the row before it"
    assert found.images[0, 1, 0, 0] == 1024 % 256
    assert found.coarse is None


def write_svhn(folder, n=200):
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        pixels = RNG.integers(0, 256, (32, 32, 3, n)).astype(np.uint8)
        labels = (np.arange(n) % 10 + 1).astype(np.uint8)[:, None]
        savemat(folder / file, {"X": pixels, "y": labels}, do_compression=True)
    return pixels, labels


def test_svhn_is_read_and_ten_is_zero(tmp_path):
    pixels, labels = write_svhn(tmp_path / "svhn")
    task = make_task("svhn", data_dir=tmp_path)
    assert (len(task.train), len(task.valid), len(task.test)) == (180, 20, 200)
    assert task.test.y.tolist() == (labels[:, 0] % 10).tolist()
    expected = (pixels[5, 7, 1, 3] / 255 - 0.4440) / 0.1771
    assert float(task.test.x[3, 1, 5, 7]) == pytest.approx(expected, rel=1e-4)


def test_damaged_svhn_files_are_refused(tmp_path):
    write_svhn(tmp_path, n=30)
    whole = (tmp_path / FILES[0]).read_bytes()
    assert len(read_digits(tmp_path / FILES[0])[1]) == 30
    path = tmp_path / "file.mat"
    for content in (b"", b"PNG", whole[: len(whole) // 2], whole[:300] + b"x" * 500 + whole[800:]):
        path.write_bytes(content)
        with pytest.raises(TaskError, match="get the file again"):
            read_digits(path)
    good = {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1))}
    for change in (
        {"X": np.zeros((32, 32, 3, 4))},
        {"y": np.ones(3)},
        {"y": np.full(4, 11)},
        {"y": np.zeros(4)},
    ):
        savemat(path, {**good, **change})
        with pytest.raises(TaskError, match="labels 1 to 10"):
            read_digits(path)
    savemat(path, {"X": good["X"]})
    with pytest.raises(TaskError, match="y nothing"):
        read_digits(path)
