"""Tables as tasks: what is read, how columns become numbers, and what mistakes are answered."""

import io
import pickle

import numpy as np
import pytest
import torch
from sklearn.preprocessing import OneHotEncoder

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import make_task
from symloss.tasks.table_spec import parse_table_spec
from symloss.tasks.tables import read_table

RNG = np.random.default_rng(1)
N = 60
SIZE, AGE = RNG.normal(100, 30, N), RNG.integers(0, 90, N)
PLACE = RNG.choice(["north", "south, by the sea", "west"], N)
PRICE = 2.5 * SIZE - AGE + RNG.normal(size=N)
GOOD = RNG.permutation(np.arange(N) % 2)


def csv_text(columns):
    lines = [",".join(f'"{name}"' for name in columns)]
    lines += [
        ",".join(f'"{v}"' if isinstance(v, str) else str(v) for v in row)
        for row in zip(*columns.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


COLUMNS = {
    "size": SIZE.tolist(),
    "age": AGE.tolist(),
    "place": [str(place) for place in PLACE],
    "price": PRICE.tolist(),
    "good": GOOD.tolist(),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "homes.csv").write_text(csv_text(COLUMNS))
    np.savez(tmp_path / "homes.npz", **{name: np.array(column) for name, column in COLUMNS.items()})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_parquet(path, columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)


def test_the_index_that_pandas_writes_is_left_out(folder):
    rows = (folder / "homes.csv").read_text().splitlines()
    indexed = [f",{rows[0]}", *(f"{number},{row}" for number, row in enumerate(rows[1:]))]
    (folder / "indexed.csv").write_text("\n".join(indexed) + "\n")
    found, plain = read_table(folder / "indexed.csv"), read_table(folder / "homes.csv")
    assert list(found) == list(plain)
    assert all((found[name] == plain[name]).all() for name in plain)


def test_a_file_without_what_makes_it_a_table_is_told_how_it_is_written(folder):
    with pytest.raises(TaskError, match=r"a table is written table:homes.csv\?target=COLUMN"):
        make_task("homes.csv")


def test_a_table_becomes_a_regression_task(folder):
    task = make_task("table:homes.csv?target=price&drop=good")
    assert (task.kind, task.metric, task.name) == (Kind.REGRESSION, "mse", "homes")
    assert task.input_shape == (5,), "two numbers and three places"
    assert (len(task.train), len(task.valid), len(task.test)) == (36, 12, 12)
    for column in (0, 1):
        assert abs(float(task.train.x[:, column].mean())) < 1e-6
        assert float(task.train.x[:, column].std(correction=0)) == pytest.approx(1, abs=1e-6)
    assert set(task.train.x[:, 2:].unique().tolist()) == {0.0, 1.0}
    assert torch.all(task.train.x[:, 2:].sum(dim=1) == 1)
    assert task.notes[0] == f"read from {folder / 'homes.csv'}"
    assert "categories one-hot encoded: place" in task.notes


def test_numbers_and_categories_are_those_of_the_rows(folder):
    task = make_task("table:homes.csv?target=price&drop=good")
    # Each row is found again by its target, whose order standardising keeps.
    order = np.argsort(PRICE)
    everything = torch.cat([part.y[:, 0] for part in (task.train, task.valid, task.test)])
    x = torch.cat([part.x for part in (task.train, task.valid, task.test)])[everything.argsort()].numpy()
    expected = OneHotEncoder(sparse_output=False).fit_transform(PLACE[order][:, None])
    np.testing.assert_array_equal(x[:, 2:], expected)
    for column, values in enumerate((SIZE, AGE)):
        slope, _ = np.polyfit(values[order], x[:, column], 1)
        assert np.corrcoef(values[order], x[:, column])[0, 1] == pytest.approx(1)
        assert slope > 0


def test_every_format_gives_the_same_task(folder):
    write_parquet(folder / "homes.parquet", COLUMNS)
    tasks = [make_task(f"table:homes.{form}?target=good&drop=price") for form in ("csv", "npz", "parquet")]
    for task in tasks:
        assert (task.kind, task.metric, task.num_outputs) == (Kind.MULTICLASS, "error", 2)
        for part in ("train", "valid", "test"):
            assert torch.equal(getattr(task, part).x, getattr(tasks[0], part).x)
            assert torch.equal(getattr(task, part).y, getattr(tasks[0], part).y)


def test_kinds_can_be_chosen_and_several_targets_predicted(folder):
    binary = make_task("table:homes.csv?target=good&kind=binary")
    assert (binary.kind, binary.num_outputs) == (Kind.BINARY, 1)
    several = make_task("table:homes.csv?target=price,size")
    assert (several.kind, several.num_outputs) == (Kind.REGRESSION, 2)
    ages = make_task("table:homes.csv?target=age&kind=regression")
    assert ages.kind is Kind.REGRESSION
    places = make_task("table:homes.csv?target=place&drop=price")
    assert (places.kind, places.num_outputs) == (Kind.MULTICLASS, 3)
    assert "labels north, south, by the sea, west are numbered from 0" in places.notes


def test_a_name_with_special_signs_is_written_as_in_a_web_address(folder):
    (folder / "odd.csv").write_text(csv_text({"a&b=c, %": COLUMNS["price"], "x": COLUMNS["size"]}))
    with pytest.raises(TaskError, match="has no column 'a'"):
        make_task("table:odd.csv?target=a")
    assert parse_table_spec("table:odd.csv?target=a%26b%3Dc").target == ("a&b=c",)


def test_a_test_file_is_used_whole_and_categories_are_those_of_training(folder):
    other = {name: column[:10] for name, column in COLUMNS.items()} | {"place": ["east"] * 10}
    (folder / "later.csv").write_text(csv_text(other))
    task = make_task("table:homes.csv?target=price&drop=good&test=later.csv")
    assert (len(task.train), len(task.valid), len(task.test)) == (48, 12, 10)
    assert task.input_shape == (5,)
    assert torch.all(task.test.x[:, 2:] == 0), "a place that training has not seen"
    (folder / "other.csv").write_text((folder / "homes.csv").read_text())
    again = make_task("table:homes.csv?target=price&drop=good&test=other.csv")
    assert torch.equal(again.train.x, task.train.x), "the test file must not move the scale"


@pytest.mark.parametrize("parts", ["valid", "test", "valid test", "test valid"])
def test_files_for_parts_are_these_parts(folder, parts):
    sizes = {"valid": 10, "test": 7}
    for part, size in sizes.items():
        (folder / f"{part}.csv").write_text(csv_text({name: own[:size] for name, own in COLUMNS.items()}))
    given = parts.split()
    task = make_task("table:homes.csv?target=good" + "".join(f"&{part}={part}.csv" for part in given))
    for part in ("valid", "test"):
        expected = GOOD[: sizes[part]] if part in given else None
        found = getattr(task, part)
        assert len(found) == (sizes[part] if part in given else 12)
        if expected is not None:
            assert found.y.tolist() == expected.tolist()
    assert len(task.train) == N - 12 * (2 - len(given))
    assert all(f"{part}.csv" in task.notes[0] for part in given)


def test_statistics_are_those_of_the_training_part(folder):
    wild = {**COLUMNS, "size": [1e6 if i in (3, 30) else v for i, v in enumerate(COLUMNS["size"])]}
    (folder / "wild.csv").write_text(csv_text(wild))
    for seed in range(20):
        task = make_task("table:wild.csv?target=age&kind=regression", data_seed=seed)
        if float(task.train.x[:, 0].max()) < 3.5:  # both wild values are outside the training part
            assert float(task.train.x[:, 0].std(correction=0)) == pytest.approx(1, abs=1e-5)
            assert max(float(part.x[:, 0].max()) for part in (task.valid, task.test)) > 1e4
            return
    pytest.fail("no split has both wild values outside the training part")


def test_missing_values_are_refused_or_filled(folder):
    gaps = {**COLUMNS, "age": ["" if i % 7 == 0 else v for i, v in enumerate(COLUMNS["age"])]}
    gaps["place"] = ["" if i % 9 == 0 else v for i, v in enumerate(COLUMNS["place"])]
    (folder / "gaps.csv").write_text(csv_text(gaps))
    with pytest.raises(TaskError, match=r"gaps.csv: column 'age' has 9 missing values.*missing=mean"):
        make_task("table:gaps.csv?target=price")
    with pytest.raises(TaskError, match="column 'place' has 7 missing values"):
        make_task("table:gaps.csv?target=price&drop=age")
    task = make_task("table:gaps.csv?target=price&missing=mean")
    assert "missing values filled: age, place" in task.notes
    assert task.input_shape == (2 + 4 + 1,), "a missing place is a place of its own"
    filled = torch.cat([part.x[:, 1] for part in (task.train, task.valid, task.test)])
    assert int((filled.abs() < 1e-6).sum()) >= 9, "the mean is 0 after standardising"
    with pytest.raises(TaskError, match="target 'age' is missing in 9 rows"):
        make_task("table:gaps.csv?target=age&missing=mean")


def test_relative_paths_are_looked_for_in_the_data_folder_first(folder):
    (folder / "data").mkdir()
    (folder / "data/homes.csv").write_text(csv_text({name: column[:30] for name, column in COLUMNS.items()}))
    assert len(make_task("table:homes.csv?target=price", data_dir="data").train) == 18
    assert len(make_task("table:homes.csv?target=price", data_dir="elsewhere").train) == 36


MISTAKES = [
    ("table:homes.csv", "does not say what to predict; write table:FILE?target=COLUMN"),
    ("table:?target=x", "does not say which file"),
    ("table:homes.csv?traget=price", "unknown option 'traget'; did you mean 'target'?"),
    ("table:homes.csv?target=prize", "homes.csv has no column 'prize'; did you mean 'price'?"),
    ("table:homes.csv?target=price&drop=plase", "no column 'plase'; did you mean 'place'?"),
    ("table:homes.csv?target=price&kind=regresion", "unknown kind of task 'regresion'"),
    (
        "table:homes.csv?target=place&kind=regression",
        f"the target 'place' holds text such as {str(PLACE[0])!r} in row 1, expected numbers",
    ),
    ("table:homes.csv?target=good,price&kind=binary", "2 targets are for regression only"),
    ("table:homes.csv?target=place&kind=binary", "3 different labels, expected two"),
    ("table:homes.csv?target=price&missing=zero", "missing is 'zero', expected mean"),
    ("table:homes.csv?target=price&drop=size,age,place,good", "no column left to predict from"),
    ("table:home.csv?target=price", "there is no table"),
    ("table:homes.txt?target=price", "there is no table"),
    ("table:homes.csv?target=price&test=none.csv", "there is no table"),
    ("table:homes.csv?target=age", "drop the class, or say kind=regression"),
]


@pytest.mark.parametrize(("spec", "message"), MISTAKES)
def test_mistakes_are_answered(folder, spec, message):
    with pytest.raises(TaskError) as raised:
        make_task(spec)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3\n", "line 3: found 1 values for 2 columns"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("a,b\n1,inf\n", "column 'b' has infinite values"),
        ("a\xff,b", "is not text in UTF-8"),
    ],
)
def test_damaged_csv_files_are_refused(tmp_path, text, message):
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TaskError) as raised:
        read_table(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_numbers_whole_numbers_and_texts_are_told_apart(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("\ufeffa,b,c,d\n1, 2.5,x,NA\n\n-3,1e3,7,4\n", encoding="utf-8")
    found = read_table(path)
    assert [found[name].dtype.kind for name in "abcd"] == ["i", "f", "U", "f"]
    assert found["b"].tolist() == [2.5, 1000.0]
    assert found["c"].tolist() == ["x", "7"]
    assert np.isnan(found["d"]).tolist() == [True, False]


def test_nothing_in_an_archive_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    path = tmp_path / "file.npz"
    np.savez(path, x=np.array([Bomb(), Bomb()], dtype=object))
    contents = [path.read_bytes(), pickle.dumps(Bomb()), b"", b"PK\x03\x04", b"not an archive"]
    plain = io.BytesIO()
    np.save(plain, np.arange(3))
    for content in (*contents, plain.getvalue()):
        path.write_bytes(content)
        with pytest.raises(TaskError, match="cannot be read"):
            read_table(path)


def test_an_array_of_two_dimensions_is_columns(tmp_path):
    path = tmp_path / "file.npz"
    x = RNG.normal(size=(30, 3)).astype(np.float32)
    np.savez(path, x=x, y=x.sum(axis=1))
    found = read_table(path)
    assert list(found) == ["x[0]", "x[1]", "x[2]", "y"]
    np.testing.assert_array_equal(found["x[1]"], x[:, 1])
    assert make_task(f"table:{path}?target=y").input_shape == (3,)
    np.savez(path, x=np.zeros((3, 2, 2)))
    with pytest.raises(TaskError, match="array 'x' is float64 of shape"):
        read_table(path)
    np.savez(path, x=np.zeros(3), y=np.zeros(4))
    with pytest.raises(TaskError, match="different lengths"):
        read_table(path)


def test_parquet_columns_of_all_kinds(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    columns = {
        "whole": [1, 2, 3],
        "gap": [1, None, 3],
        "part": [0.5, None, 1.5],
        "flag": [True, False, True],
        "text": ["a", None, "b"],
        "category": pyarrow.array(["u", "v", "u"]).dictionary_encode(),
    }
    write_parquet(tmp_path / "file.parquet", columns)
    found = read_table(tmp_path / "file.parquet")
    assert [found[name].dtype.kind for name in columns] == ["i", "f", "f", "i", "U", "U"]
    assert found["text"].tolist() == ["a", "", "b"]
    assert np.isnan(found["gap"]).tolist() == [False, True, False]
    import datetime

    write_parquet(tmp_path / "file.parquet", {"when": [datetime.date(2020, 1, 1)]})
    with pytest.raises(TaskError, match="column 'when' holds date32"):
        read_table(tmp_path / "file.parquet")
    (tmp_path / "file.parquet").write_bytes(b"PAR1")
    with pytest.raises(TaskError, match="is it a Parquet file"):
        read_table(tmp_path / "file.parquet")


def test_parquet_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "file.parquet").write_bytes(b"")
    with pytest.raises(TaskError, match=r"pip install 'symloss\[tables\]'"):
        read_table(tmp_path / "file.parquet")


def test_a_test_file_must_fit(folder):
    short = {name: column for name, column in COLUMNS.items() if name != "age"}
    (folder / "short.csv").write_text(csv_text(short))
    with pytest.raises(TaskError, match=r"short.csv has no column 'age'"):
        make_task("table:homes.csv?target=price&test=short.csv")
    (folder / "words.csv").write_text(csv_text({**COLUMNS, "age": ["old"] * N}))
    with pytest.raises(TaskError, match=r"column 'age' holds numbers in .*homes.csv and text in .*words.csv"):
        make_task("table:homes.csv?target=price&test=words.csv")
    (folder / "more.csv").write_text(csv_text({**COLUMNS, "good": [2] * N}))
    for part in ("valid", "test"):
        with pytest.raises(TaskError, match=r"more.csv has classes that the training data lacks: 2;"):
            make_task(f"table:homes.csv?target=good&{part}=more.csv")


def test_validation_data_of_one_class_say_nothing(folder):
    few = {name: column[:8] for name, column in COLUMNS.items()} | {"good": [1] * 8}
    (folder / "few.csv").write_text(csv_text(few))
    with pytest.raises(TaskError, match=r"few.csv has samples of class 1 alone, which says nothing"):
        make_task("table:homes.csv?target=good&valid=few.csv")
    with pytest.raises(TaskError, match="names one file twice"):
        make_task("table:homes.csv?target=good&valid=homes.csv")


def test_tabs_separate_the_values_of_a_tsv_file(folder):
    rows = [[str(own) for own in row] for row in zip(*COLUMNS.values(), strict=True)]
    (folder / "homes.tsv").write_text("\n".join("\t".join(row) for row in [list(COLUMNS), *rows]))
    found, expected = read_table(folder / "homes.tsv"), read_table(folder / "homes.csv")
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column)


@pytest.mark.parametrize(
    ("sign", "name", "words"),
    [
        (";", "odd.csv", r"separated by semicolons, expected values separated by commas; .*sep=';'"),
        ("\t", "odd.csv", r"separated by tabs, .*end its name in \.tsv"),
        (",", "odd.tsv", r"separated by commas, expected values separated by tabs; write it anew"),
    ],
)
def test_another_separator_is_recognised(folder, sign, name, words):
    (folder / name).write_text(f"a{sign}b\n1{sign}2\n")
    with pytest.raises(TaskError, match=words):
        read_table(folder / name)


def test_a_packed_table_is_to_be_unpacked(folder):
    (folder / "homes.csv.gz").write_bytes(b"")
    with pytest.raises(TaskError, match=r"should end in \.csv, .*; unpack it"):
        read_table(folder / "homes.csv.gz")


def test_a_class_of_too_few_samples_is_called_what_the_table_calls_it(folder):
    (folder / "rare.csv").write_text(csv_text({**COLUMNS, "place": ["east", *COLUMNS["place"][1:]]}))
    with pytest.raises(TaskError, match=r"class east has 1 of 60 samples, .*; drop the class$"):
        make_task("table:rare.csv?target=place")
    (folder / "rare.csv").write_text(csv_text({**COLUMNS, "age": [-7, *[8] * 30, *[9] * (N - 31)]}))
    with pytest.raises(TaskError, match=r"class -7 has 1 of 60 .*kind=regression"):
        make_task("table:rare.csv?target=age")


def test_names_are_not_taken_for_categories(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(csv_text({"who": [f"person {i}" for i in range(300)], "y": [i / 7 for i in range(300)]}))
    with pytest.raises(TaskError, match=r"column 'who' has 300 different texts.*drop=who"):
        make_task(f"table:{path}?target=y")


def test_published_tables(tmp_path):
    names = ["MedInc", "HouseAge", "MedHouseVal"]
    np.savez(tmp_path / "california-housing.npz", **{name: RNG.normal(size=50) for name in names})
    task = make_task("california-housing", data_dir=tmp_path)
    assert (task.kind, task.input_shape, task.num_outputs) == (Kind.REGRESSION, (2,), 1)
    columns = {name: RNG.normal(size=50) for name in ("state", "population", "LemasSwornFT", "OtherPerCap")}
    columns["LemasSwornFT"][:30] = np.nan
    columns["OtherPerCap"][3] = np.nan
    np.savez(tmp_path / "communities-and-crime.npz", **columns, ViolentCrimesPerPop=RNG.uniform(size=50))
    task = make_task("communities-and-crime", data_dir=tmp_path)
    assert task.input_shape == (2,)
    assert "2 of 4 columns left out" in task.notes
    assert "missing values filled: OtherPerCap" in task.notes


def test_the_positive_class_can_be_chosen(folder):
    left = ["stays" if good else "leaves" for good in COLUMNS["good"]]
    (folder / "left.csv").write_text(csv_text({**COLUMNS, "good": left}))
    usual, chosen = (
        make_task(f"table:left.csv?target=good&kind=binary{more}", metric="average-precision")
        for more in ("", "&positive=leaves")
    )
    assert "average-precision counts class stays; choose another with positive=CLASS" in usual.notes
    plain = make_task("table:left.csv?target=good&kind=binary", metric="f1")
    assert not any("counts class" in note for note in (*plain.notes, *chosen.notes))
    assert "labels stays, leaves are numbered from 0" in chosen.notes
    assert "class leaves is positive: f1 and average-precision count it alone" in chosen.notes
    assert torch.equal(chosen.train.y, 1 - usual.train.y)
    assert torch.equal(chosen.train.x, usual.train.x)
    assert (usual.positive, chosen.positive) == (None, "leaves")
    one = make_task("table:homes.csv?target=good&positive=0")
    assert one.positive == "0"
    assert one.train.y.tolist() == [1 - y for y in make_task("table:homes.csv?target=good").train.y.tolist()]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("homes.csv?target=good&positive=2", "'2', which no label of y is; known are: 0, 1"),
        ("homes.csv?target=place&positive=west", "one of two classes, and y has 3: north, south, by the sea"),
        (
            "homes.csv?target=price&positive=1",
            "one of two classes, and y has values for regression; leave it",
        ),
        ("homes.csv?target=good&positiv=1", "unknown option 'positiv'; did you mean 'positive'?"),
    ],
)
def test_a_positive_class_that_cannot_be_is_told(folder, spec, words):
    with pytest.raises(TaskError) as error:
        make_task(f"table:{spec}")
    assert words in str(error.value)
