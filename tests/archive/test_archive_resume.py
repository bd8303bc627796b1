"""A search that was stopped, wherever it was stopped, ends with the files of one that was not."""

import itertools
import json
import shutil

import pytest

from symloss.config import resolve
from symloss.errors import RunError
from symloss.run import resume, start

SETTINGS = {
    "task": "diabetes",
    "model": "linear",
    "population": 4,
    "generations": 3,
    "training": {"steps": 10, "learning_rate": 0.05},
    "tuning": {"steps": 2},
    "finalists": {"count": 2, "seeds": 2},
}
COMPARED = ("candidates.jsonl", "candidates.csv", "finalists.jsonl", "grammar.grammar", "run.json")


def finished_generations(folder):
    state = folder / "state.json"
    return json.loads(state.read_bytes())["generation"] if state.exists() else 0


def stop_after(generations, folder):
    """Asked before each piece of work, says yes once so many more generations are finished."""
    end = finished_generations(folder) + generations
    return lambda: finished_generations(folder) >= end


def stop_asked(times):
    """Says yes when it has been asked so often before, and then always."""
    asked = itertools.count()
    return lambda: next(asked) >= times


def files(folder):
    return {name: (folder / name).read_bytes() for name in COMPARED}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing interrupted; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert start(resolve(SETTINGS), folder).complete
    return folder


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    """The folder of a run that was stopped after its first generation; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    assert not start(resolve(SETTINGS), folder, stop=stop_after(1, folder)).complete
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    return shutil.copytree(stopped_once, tmp_path / "stopped")


@pytest.mark.parametrize("generations", [0, 2])
def test_a_stopped_run_ends_like_one_left_alone(whole, tmp_path, generations):
    folder = tmp_path / "run"
    outcome = start(resolve(SETTINGS), folder, stop=stop_after(generations, folder))
    assert (outcome.complete, len(outcome.candidates)) == (False, 4 * generations)
    assert (folder / "finalists.jsonl").read_bytes() == b""
    ended = resume(folder)
    assert ended.complete
    assert files(folder) == files(whole)


def test_a_run_can_be_stopped_again_and_again(whole, stopped):
    assert not resume(stopped, stop=stop_after(1, stopped)).complete
    assert not resume(stopped, stop=stop_after(0, stopped)).complete
    assert resume(stopped).complete
    assert files(stopped) == files(whole)


@pytest.mark.parametrize("times", [1, 2, 3, 5, 8])
def test_a_run_stopped_within_a_generation_keeps_its_finished_pieces(whole, tmp_path, times, monkeypatch):
    import symloss.meta.pieces as pieces

    folder, begun = tmp_path / "run", []
    counted = pieces.attempted

    def count(work, items, *rest):
        begun.append(len(items))
        return counted(work, items, *rest)

    assert not start(resolve(SETTINGS), folder, stop=stop_asked(times)).complete
    kept = folder / "pieces.jsonl"
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    monkeypatch.setattr(pieces, "attempted", count)
    finished = finished_generations(folder)
    assert resume(folder, stop=stop_after(1, folder)).candidates or finished == 0
    assert finished_generations(folder) == finished + 1
    with_all = sum(begun)
    again = tmp_path / "again"
    assert not start(resolve(SETTINGS), again, stop=stop_after(finished, again)).complete
    begun.clear()
    resume(again, stop=stop_after(1, again))
    assert with_all == sum(begun) - len(lines)
    assert not kept.exists()
    assert resume(folder).complete
    assert files(folder) == files(whole)


@pytest.mark.parametrize("times", [2, 4, 6, 9])
def test_a_race_over_seeds_goes_on_where_it_was_stopped(tmp_path, times):
    racing = {"racing": {"seeds": True, "reference": 2}, "training": {**SETTINGS["training"], "seeds": 3}}
    config = resolve(SETTINGS, racing)
    assert start(config, tmp_path / "whole").complete
    assert not start(config, tmp_path / "run", stop=stop_asked(times)).complete
    assert resume(tmp_path / "run").complete
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    assert b"outrun" in (tmp_path / "whole" / "candidates.jsonl").read_bytes()


def append(name, data):
    def write(folder, whole):
        with (folder / name).open("ab") as file:
            file.write(data)

    return write


def next_generation_written(folder, whole):
    """Killed after the candidates of a generation, before the state that counts them."""
    shutil.copy(whole / "candidates.jsonl", folder / "candidates.jsonl")
    shutil.copy(whole / "candidates.csv", folder / "candidates.csv")


def finalists_written(folder, whole):
    """Killed between the finalists and the end."""
    shutil.copy(whole / "finalists.jsonl", folder / "finalists.jsonl")


def cut_in_the_middle(folder, whole):
    text = (whole / "candidates.jsonl").read_bytes()
    (folder / "candidates.jsonl").write_bytes(text[: len(text) - 40])


@pytest.mark.parametrize(
    "accident",
    [
        append("candidates.jsonl", b'{"id":5,"generation":1,"sta'),
        append("candidates.jsonl", b"\x00\x00\xff\n\n[]\n"),
        append("finalists.jsonl", b'{"id":'),
        append(".state.json.new", b'{"gener'),
        cut_in_the_middle,
        next_generation_written,
        finalists_written,
    ],
    ids=["torn line", "garbage", "torn finalist", "torn state", "cut", "uncounted", "finalists"],
)
def test_what_was_written_after_the_last_state_is_cut_off(whole, stopped, accident):
    accident(stopped, whole)
    assert resume(stopped).complete
    assert files(stopped) == files(whole)


def test_pieces_of_a_search_that_was_killed_after_its_last_generation_are_dropped(whole, tmp_path):
    folder = tmp_path / "run"
    assert not start(resolve(SETTINGS), folder, stop=stop_after(3, folder)).complete
    (folder / "pieces.jsonl").write_text('{"generation":2,"key":"train","value":[]}\n')
    assert resume(folder).complete
    assert files(folder) == files(whole)
    assert not (folder / "pieces.jsonl").exists()


def test_the_comparison_sees_a_different_search(whole, tmp_path):
    folder = tmp_path / "run"
    start(resolve(SETTINGS, {"seed": 1}), folder)
    different = {name for name in COMPARED if files(folder)[name] != files(whole)[name]}
    assert different == set(COMPARED) - {"grammar.grammar"}


@pytest.mark.parametrize("settings", [{"population": 24}, {"task": "digits"}], ids=["values", "classes"])
@pytest.mark.parametrize("method", ["random", "taylorglo"])
def test_other_searches_can_be_resumed(method, settings, tmp_path):
    config = resolve(SETTINGS, {"method": method, "tuning": {"steps": 0}}, settings)
    start(config, tmp_path / "whole")
    start(config, tmp_path / "run", stop=stop_after(1, tmp_path / "run"))
    resume(tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_calibrated_learning_rate_is_found_again(tmp_path):
    config = resolve(SETTINGS, {"generations": 2, "training": {"learning_rate": None, "steps": 3}})
    start(config, tmp_path / "whole")
    start(config, tmp_path / "run", stop=stop_after(1, tmp_path / "run"))
    resume(tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_sittings_are_told_in_the_events(whole, stopped):
    resume(stopped)
    events = [json.loads(line) for line in (stopped / "events.jsonl").read_text().splitlines()]
    told = [event["event"] for event in events if event["event"] != "generation"]
    assert told == ["started", "stopped", "started", "finished"]
    assert [e["generation"] for e in events if e["event"] == "generation"] == [1, 2, 3]


def test_a_finished_run_is_not_touched(whole):
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    with pytest.raises(RunError, match="is finished; look at it with: symloss show"):
        resume(whole)
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


def test_a_run_does_not_go_on_with_another_task(tmp_path):
    """A user's files may have changed since; the record knows a digest of data, networks and metric."""
    task = tmp_path / "mine.py"
    text = TASK.format(shift=0)
    task.write_text(text)
    settings = {"task": f"{task}:make", "model": None, "grammar": "regression"}
    start(resolve(SETTINGS, settings), tmp_path / "run", stop=stop_after(1, tmp_path / "run"))
    before = (tmp_path / "run" / "candidates.jsonl").read_bytes()
    task.write_text(TASK.format(shift=1))
    with pytest.raises(RunError, match="have: the data, the networks or the metric are others; bring back"):
        resume(tmp_path / "run")
    assert (tmp_path / "run" / "candidates.jsonl").read_bytes() == before
    task.write_text(text)
    assert resume(tmp_path / "run").complete


TASK = """
import symloss

def make():
    import numpy as np
    x = np.random.default_rng(0).normal(size=(60, 3))
    return symloss.task_from_arrays(x, x.sum(1) + {shift}, model="linear")
"""


def edit_record(name, value):
    def edit(folder):
        record = json.loads((folder / "run.json").read_text())
        (record["versions"] if name in record["versions"] else record)[name] = value
        (folder / "run.json").write_text(json.dumps(record))

    return edit


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit_record("torch", "1.0"), "torch is .* and was 1.0"),
        (edit_record("symloss", "9"), "symloss is .* and was 9"),
        (edit_record("device", "cuda:7"), "the device is cpu and was cuda:7"),
    ],
    ids=["torch", "symloss", "device"],
)
def test_a_run_does_not_go_on_with_other_versions_unless_forced(whole, stopped, change, told):
    change(stopped)
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(RunError, match=f"{told}.*--force"):
        resume(stopped)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    said = []
    assert resume(stopped, force=True, say=said.append).complete
    assert len(said) == 1
    assert files(stopped)["candidates.jsonl"] == files(whole)["candidates.jsonl"]


def test_a_run_does_not_go_on_with_an_edited_grammar(stopped):
    path = stopped / "grammar.grammar"
    path.write_text(path.read_text().replace("abs(", "square(", 1))
    with pytest.raises(RunError, match=r"grammar.grammar has been edited;.*--force"):
        resume(stopped)


@pytest.mark.parametrize("name", ["state.json", "run.json", "pieces.jsonl"])
def test_bytes_that_are_no_text_are_told_as_damage(stopped, name):
    (stopped / name).write_bytes(b'{"\xff\xfe": 1}\n')
    with pytest.raises(RunError, match=f"{name}.* is damaged"):
        resume(stopped)


def test_a_torn_line_of_the_events_is_cut_off_and_told(whole, stopped):
    with (stopped / "events.jsonl").open("ab") as file:
        file.write(b'{"time": "20')
    said = []
    assert resume(stopped, say=said.append).complete
    assert "12 bytes are cut off" in said[0]
    assert all(json.loads(line) for line in (stopped / "events.jsonl").read_text().splitlines())


@pytest.mark.parametrize(
    "left", [[], ["candidates.jsonl"], ["candidates.jsonl", "finalists.jsonl", "events.jsonl"]]
)
def test_a_run_that_was_killed_while_its_folder_was_made_begins_anew(whole, tmp_path, left):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in left:
        (folder / name).touch()
    if len(left) == 3:
        (folder / "grammar.grammar").write_text("half of")
        (folder / ".run.json.new").write_text("{")
    assert start(resolve(SETTINGS), folder).complete
    assert files(folder)["candidates.jsonl"] == files(whole)["candidates.jsonl"]


@pytest.mark.parametrize("own", ["grammar.grammar", "notes.txt"])
def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path, own):
    (tmp_path / own).write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        start(resolve(SETTINGS), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [own]
    assert (tmp_path / own).read_text() == "mine"


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path, monkeypatch):
    import errno

    import symloss.archive.files as written

    path = tmp_path / "lines.jsonl"
    written.append_lines(path, [{"first": 1}])

    def full(file, data):
        file.write(data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(written, "_write_all", full)
    with pytest.raises(RunError, match="No space left on device"):
        written.append_lines(path, [{"second": 2}])
    assert path.read_bytes() == b'{"first":1}\n'
