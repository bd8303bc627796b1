"""Learned losses that are stopped at any step, killed while their folder is made, or changed meanwhile."""

from __future__ import annotations

import json

import pytest
from test_learning_run import config

from symloss.archive.learned import LearnedFolder
from symloss.errors import ConfigError, RunError, StoppedError
from symloss.learning.run import resume, start
from symloss.losses.neural.imitation import usual_weights
from symloss.losses.neural.settings import NetworkSettings
from symloss.meta.settings import Offline
from symloss.records import Kind
from symloss.workers import one_thread

SHORT = {"offline": Offline(steps=6, learning_rate=0.01), "snapshots": 3}


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def after(steps):
    """A `stop` that lets so many steps be."""
    left = [steps]

    def stop():
        left[0] -= 1
        return left[0] < 0

    return stop


def files(folder):
    return {name: (folder / name).read_bytes() for name in ("run.json", "snapshots.jsonl")}


@pytest.fixture(scope="module", params=["ml3", "adalfl"])
def whole(request, tmp_path_factory):
    """The folder of a run that nothing interrupted; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    start(config(request.param, **SHORT), folder)
    return folder


@pytest.mark.parametrize("steps", [0, 3, 11, 25])
def test_a_run_that_is_asked_to_stop_keeps_each_step_and_ends_like_one_left_alone(whole, tmp_path, steps):
    """After 11 of 30 steps a snapshot is due in 3 more, and what was counted for it is kept."""
    with pytest.raises(StoppedError):
        start(config(whole.name, **SHORT), tmp_path / "run", stop=after(steps))
    left = []
    resume(tmp_path / "run", tick=lambda: left.append(1))
    assert len(left) == 30 - steps
    assert files(tmp_path / "run") == files(whole)


def test_a_folder_whose_maker_was_killed_is_made_anew(tmp_path):
    for name in ("snapshots.jsonl", "events.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / ".run.json.new").write_text("{")
    start(config("ml3", **SHORT), tmp_path)
    assert LearnedFolder.open(tmp_path).snapshots()


@pytest.mark.parametrize("own", ["run.json", "notes.txt", "snapshots.jsonl"])
def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path, own):
    (tmp_path / own).write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        start(config("ml3", **SHORT), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {own: "mine"}


@pytest.fixture
def stopped(tmp_path):
    with pytest.raises(StoppedError):
        start(config("ml3", **SHORT), tmp_path / "run", stop=after(2))
    return tmp_path / "run"


def test_an_event_that_was_never_ended_is_cut_off(stopped):
    with (stopped / "events.jsonl").open("ab") as file:
        file.write(b'{"time": "20')
    resume(stopped)
    events = [json.loads(line)["event"] for line in (stopped / "events.jsonl").read_text().splitlines()]
    assert events == ["started", "resumed", "finished"]


def test_a_run_does_not_go_on_with_other_versions_unless_forced(stopped):
    record = json.loads((stopped / "run.json").read_text())
    record["versions"]["torch"] = "1.0"
    (stopped / "run.json").write_text(json.dumps(record))
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(RunError, match=r"torch is .* and was 1\.0;.*--force"):
        resume(stopped)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    said = []
    resume(stopped, said.append, force=True)
    assert "was 1.0" in said[0]


def test_a_network_that_cannot_begin_as_the_usual_loss_is_refused_in_a_sentence():
    with pytest.raises(ConfigError, match=r"set offline\.start=random"):
        usual_weights(Kind.MULTICLASS, 3, NetworkSettings(hidden=4, between="relu", output="softplus"))
