"""Fetching data sets, with stand-ins for the network: what is put where, and that a task finds it."""

import gzip
import hashlib
import io
import json
import sys
import urllib.error
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import _openml
from test_tasks_datasets import write_set
from test_tasks_images import write_cifar, write_svhn

from symloss.cli import main
from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import TASKS, make_task
from symloss.tasks.fetching import COMMUNITIES_ID, SOURCES, fetch, found
from symloss.tasks.folders import store

IMAGES = ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Nothing is found outside tmp_path, and nothing reaches the network."""
    monkeypatch.setenv("SYMLOSS_DATA", str(tmp_path / "shared"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    from symloss.tasks import fetching, folders

    inside = folders.folders
    monkeypatch.setattr(folders, "folders", lambda *given: inside(*given)[:-1])
    monkeypatch.setattr(fetching, "folders", lambda *given: inside(*given)[:-1])

    def unreachable(*given, **options):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr(_openml, "urlopen", unreachable)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # scikit-learn waits before it tries again


@pytest.fixture
def torchvision(monkeypatch):
    """A stand-in that leaves files where torchvision leaves them, and the calls it got."""
    calls = []

    def idx(inner):
        def dataset(root, download):
            calls.append((inner, download))
            write_set(Path(root) / inner, train=100, test=20, compressed=True)

        return dataset

    def svhn(root, split, download):
        calls.append((split, download))
        if split == "test":  # both files at once
            write_svhn(Path(root), n=40)

    def archive(url, download_root, md5, remove_finished):
        calls.append((url, md5, remove_finished))
        name = "cifar100" if "100" in url else "cifar10"
        inner = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
        write_cifar(Path(download_root) / inner, name, per_file=200 if name == "cifar100" else 30)

    datasets = ModuleType("torchvision.datasets")
    datasets.MNIST, datasets.FashionMNIST = idx("MNIST/raw"), idx("FashionMNIST/raw")
    datasets.SVHN, datasets.utils = svhn, SimpleNamespace(download_and_extract_archive=archive)
    package = ModuleType("torchvision")
    package.datasets = datasets
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)
    return calls


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("directory", [None, "mine"])
def test_fetched_images_are_found_by_their_task(tmp_path, torchvision, name, directory):
    data_dir = tmp_path / directory if directory else None
    with pytest.raises(TaskError, match=f"symloss data get {name}"):
        make_task(name, data_dir=data_dir)
    assert torchvision == [], "a task fetched something"
    folder, new = fetch(name, data_dir)
    assert new
    assert folder == (data_dir or tmp_path / "shared") / name == found(name, data_dir)
    assert make_task(name, data_dir=data_dir).name == name
    calls = len(torchvision)
    assert fetch(name, data_dir) == (folder, False)
    assert len(torchvision) == calls, "it was fetched twice"


def test_cifar_comes_as_the_checked_binary_version(torchvision):
    fetch("cifar10")
    fetch("cifar100")
    assert [(Path(url).name, len(md5), remove) for url, md5, remove in torchvision] == [
        ("cifar-10-binary.tar.gz", 32, True),
        ("cifar-100-binary.tar.gz", 32, True),
    ]


def test_without_torchvision_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    for name in IMAGES:
        with pytest.raises(TaskError, match=r"pip install 'symloss\[data\]'"):
            fetch(name)
        assert found(name) is None


@pytest.mark.filterwarnings("ignore:Retry downloading", "ignore:Invalid cache", "ignore:A network error")
def test_a_download_that_fails_is_explained(tmp_path, torchvision, monkeypatch):
    def broken(*given, **options):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(sys.modules["torchvision.datasets"], "MNIST", broken)
    with pytest.raises(TaskError, match="RuntimeError: File not found or corrupted") as raised:
        fetch("mnist")
    assert str(tmp_path / "shared/mnist") in str(raised.value)
    monkeypatch.setattr(sys.modules["torchvision.datasets"], "MNIST", lambda *given, **options: None)
    with pytest.raises(TaskError, match="does not hold its files"):
        fetch("mnist")
    for name in ("california-housing", "communities-and-crime"):
        with pytest.raises(TaskError, match="no network in tests"):
            fetch(name)


def test_california_housing_is_kept_as_columns(monkeypatch):
    x, y = RNG.normal(size=(60, 2)), RNG.normal(size=60)
    caches = []

    def fetched(data_home):
        caches.append(data_home)
        return SimpleNamespace(data=x, target=y, feature_names=["MedInc", "HouseAge"])

    monkeypatch.setattr("sklearn.datasets.fetch_california_housing", fetched)
    folder, _ = fetch("california-housing")
    with np.load(folder / "california-housing.npz", allow_pickle=False) as columns:
        np.testing.assert_array_equal(columns["HouseAge"], x[:, 1])
        np.testing.assert_array_equal(columns["MedHouseVal"], y)
    assert [path.name for path in folder.iterdir()] == ["california-housing.npz"]
    assert not Path(caches[0]).exists(), "scikit-learn's pickled cache was kept"
    task = make_task("california-housing")
    assert (task.kind, task.input_shape, len(task.train)) == (Kind.REGRESSION, (2,), 36)


NAMES = ["state", "county", "population", "LemasSwornFT", "OtherPerCap", "ViolentCrimesPerPop"]


def openml(rows, wrong_digest=False):
    """What OpenML's server answers about a small copy of communities-and-crime."""
    values = "\n".join(",".join("?" if np.isnan(v) else repr(float(v)) for v in row) for row in rows)
    attributes = "\n".join(f"@attribute {name} numeric" for name in NAMES)
    arff = f"@relation us_crime\n{attributes}\n@data\n{values}\n".encode()
    description = {
        "id": str(COMMUNITIES_ID),
        "name": "us_crime",
        "version": "2",
        "status": "active",
        "format": "ARFF",
        "file_id": "1",
        "url": "https://api.openml.org/data/v1/download/1/us_crime.arff",
        "default_target_attribute": "ViolentCrimesPerPop",
        "description": "Communities and crime, made up for a test.",
        "md5_checksum": hashlib.md5(b"" if wrong_digest else arff).hexdigest(),
    }
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": "numeric",
            "is_target": str(name == NAMES[-1]).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, name in enumerate(NAMES)
    ]
    qualities = [{"name": "NumberOfInstances", "value": str(len(rows))}]
    answers = {
        f"data/{COMMUNITIES_ID}": {"data_set_description": description},
        f"data/features/{COMMUNITIES_ID}": {"data_features": {"feature": features}},
        f"data/qualities/{COMMUNITIES_ID}": {"data_qualities": {"quality": qualities}},
    }

    def urlopen(request, *given, **options):
        url = request if isinstance(request, str) else request.full_url
        for ending, answer in answers.items():
            if url.endswith(ending):
                return Answer(json.dumps(answer).encode())
        assert ".arff" in url or "/download/" in url, url
        return Answer(arff)

    return urlopen


class Answer(io.BytesIO):
    def __init__(self, content):
        super().__init__(gzip.compress(content))

    def info(self):
        return {"Content-Encoding": "gzip"}


def communities(n=80):
    rows = RNG.uniform(size=(n, len(NAMES)))
    rows[: n // 2 + 5, 3] = np.nan
    rows[7, 4] = np.nan
    return rows


def test_communities_and_crime_comes_from_openml(monkeypatch):
    rows = communities()
    monkeypatch.setattr(_openml, "urlopen", openml(rows))
    folder, _ = fetch("communities-and-crime")
    with np.load(folder / "communities-and-crime.npz", allow_pickle=False) as columns:
        for index, name in enumerate(NAMES):
            np.testing.assert_array_equal(columns[name], rows[:, index])
    task = make_task("communities-and-crime")
    assert task.input_shape == (2,)
    assert "3 of 5 columns left out" in task.notes
    assert task.metric == "mse"


@pytest.mark.filterwarnings("ignore:Invalid cache")
def test_a_changed_download_is_refused(monkeypatch):
    monkeypatch.setattr(_openml, "urlopen", openml(communities(), wrong_digest=True))
    with pytest.raises(TaskError, match="md5"):
        fetch("communities-and-crime")
    assert found("communities-and-crime") is None


def test_what_cannot_be_fetched_is_answered():
    with pytest.raises(TaskError, match="no need to fetch 'digits': it comes with symloss"):
        fetch("digits")
    with pytest.raises(TaskError, match="no data set 'cifar': did you mean 'cifar10'"):
        fetch("cifar")


def test_files_are_kept_where_a_search_looks_first(tmp_path, monkeypatch):
    assert store("mnist") == tmp_path / "shared/mnist"
    monkeypatch.delenv("SYMLOSS_DATA")
    assert store("mnist") == tmp_path / "home/.cache/symloss/mnist"
    assert store("mnist", "data") == Path("data/mnist")


def test_every_task_comes_with_symloss_or_can_be_fetched():
    assert set(SOURCES) <= set(TASKS)
    for name in set(TASKS) - set(SOURCES):
        assert len(make_task(name).train)


def test_at_the_command_line(tmp_path, torchvision):
    def succeed(command):
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, result.output
        return result.stdout

    listed = succeed("data list")
    assert "symloss data get svhn" in listed
    assert listed.count("comes with symloss") == len(TASKS) - len(SOURCES)
    assert f"fetched into {tmp_path / 'all/svhn'}" in succeed(f"data get svhn --dir {tmp_path / 'all'}")
    assert "already in" in succeed(f"data get svhn --dir {tmp_path / 'all'}")
    assert f"in {tmp_path / 'all/svhn'}" in succeed(f"data list --dir {tmp_path / 'all'}")
    assert "did you mean 'svhn'" in CliRunner().invoke(main, ["data", "get", "svnh"]).output
