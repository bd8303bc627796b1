"""Files of a run's task, as they are named from another folder than that in which it was begun."""

import pytest

from symloss.errors import TaskError
from symloss.places import found_again
from symloss.tasks.table_spec import parse_table_spec


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """The folder in which a run was begun, with a table there and in its folder of data; we are elsewhere."""
    folder, other = tmp_path / "begun", tmp_path / "other"
    (folder / "d").mkdir(parents=True)
    other.mkdir()
    for name in ("data.csv", "d/data.csv", "mine.py"):
        (folder / name).touch()
    monkeypatch.chdir(other)
    return folder


def test_a_table_is_looked_for_in_the_folder_of_data_first(begun):
    found = found_again({"task": "table:data.csv", "data_dir": "d"}, str(begun))
    assert found == {"data_dir": str(begun / "d")}
    assert found_again({"task": "table:data.csv"}, str(begun)) == {"task": f"table:{begun}/data.csv"}


def test_code_is_not_looked_for_in_the_folder_of_data(begun):
    (begun / "d/mine.py").touch()
    found = found_again({"task": "mine.py:task", "data_dir": "d"}, str(begun))
    assert found == {"task": f"{begun}/mine.py:task", "data_dir": str(begun / "d")}


def test_a_file_that_is_nowhere_is_named(begun):
    for settings in ({"task": "table:gone.csv"}, {"metric": "gone.py:cost"}):
        with pytest.raises(TaskError, match=r"its file 'gone\.\w+' is neither there nor in"):
            found_again({**settings, "data_dir": "d"}, str(begun))


def test_what_is_given_now_stands_as_it_is(begun, tmp_path):
    settings = {"task": "table:data.csv", "metric": "gone.py:cost", "data_dir": "d"}
    assert found_again(settings, str(begun), {"metric": "error"}) == {"data_dir": str(begun / "d")}
    (tmp_path / "other/d").mkdir()
    (tmp_path / "other/d/data.csv").touch()
    assert found_again(settings, str(begun), {"metric": "error", "data_dir": "d"}) == {}
    elsewhere = {"task": f"table:{begun}/data.csv"}
    assert found_again(settings, str(begun), {"metric": "error", "data_dir": "none"}) == elsewhere


@pytest.mark.parametrize("folder", ["", ".", "../begun"])
def test_a_folder_that_is_not_named_in_full_is_no_place_to_look_in(begun, folder):
    assert found_again({"task": "mine.py:task", "metric": "gone.py:cost"}, folder) == {}


@pytest.mark.parametrize("name", ["a & b = 100%", "café + co", "a#b"])
def test_any_name_of_a_folder_can_stand_in_a_table(name, tmp_path, monkeypatch):
    folder = tmp_path / name
    folder.mkdir()
    for own in ("t.csv", "v.csv"):
        (folder / own).touch()
    monkeypatch.chdir(tmp_path)
    found = found_again({"task": "table:t.csv?target=y&valid=v.csv&drop=a"}, str(folder))
    spec = parse_table_spec(found["task"])
    assert (spec.path, spec.valid) == (folder / "t.csv", folder / "v.csv")
    assert (spec.target, spec.drop) == (("y",), ("a",))


def test_a_question_mark_in_the_name_of_a_folder_is_answered(tmp_path, monkeypatch):
    (tmp_path / "q?dir").mkdir()
    (tmp_path / "q?dir/t.csv").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=r"q\?dir/t\.csv' has a \?, after which .* go to '.*q\?dir'"):
        found_again({"task": "table:t.csv?target=y"}, str(tmp_path / "q?dir"))
