"""A finished run that the tests of this folder look at."""

import shutil

import pytest
from cli_helpers import succeed


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    succeed(f"search TINY --out {folder}")
    return folder


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """An empty working directory but for `run`, a copy of a finished run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "run")
    return tmp_path
