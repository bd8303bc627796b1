"""One table of likely mistakes: each is a TaskError that says what was found and what to do."""

import numpy as np
import pytest
import torch
from torch import nn

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks import (
    Corruption,
    Split,
    Task,
    corrupt,
    find_metric,
    make_task,
    model_maker,
    task_from_arrays,
)

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3


def arrays(x=X, y=Y, **options):
    return lambda: task_from_arrays(x, y, **{"model": "linear", **options})


def with_bad(values, value):
    bad = np.array(values, dtype=float)
    bad.flat[3] = value
    return bad


def task(**changes):
    x, y = torch.from_numpy(X).float(), torch.from_numpy(Y)
    base = {
        "name": "mine", "kind": Kind.MULTICLASS, "train": Split(x, y), "valid": Split(x, y),
        "test": Split(x, y),
        "make_model": lambda: nn.Linear(4, 3), "num_outputs": 3, "metric": "error", "model_name": "own",
    }  # fmt: skip
    return lambda: Task(**{**base, **changes})


def split(x=X, y=Y):
    return Split(torch.as_tensor(x).float(), torch.as_tensor(y))


def broken_model():
    raise RuntimeError("no weights")


BINARY = torch.from_numpy(Y[:, None] % 2).float()

MISTAKES = [
    # Tasks that a user builds.
    (task(kind="classes"), "unknown kind of task 'classes'; known are: multiclass, binary, regression"),
    (task(train=split(X[:0], Y[:0])), "task 'mine', train: there are no data"),
    (task(valid=split(X[:0], Y[:0])), "task 'mine', valid: there are no data"),
    (task(train=Split(X, Y)), "must be torch tensors"),
    (
        task(train=Split(torch.from_numpy(X), torch.from_numpy(Y))),
        "x is torch.float64 of shape (30, 4), expected",
    ),
    (task(train=split(X[:, 0])), "expected torch.float32 of shape (samples, features...)"),
    (task(train=split(y=Y[:20])), "y is torch.int64 of shape (20,), expected torch.int64 of shape (30,)"),
    (
        task(train=split(y=Y * 1.0)),
        "expected torch.int64 of shape (30,) for a multiclass task with 3 outputs",
    ),
    (task(train=split(with_bad(X, np.nan))), "train: x has 1 values that are NaN or infinite"),
    (task(test=split(with_bad(X, np.inf))), "test: x has 1 values that are NaN or infinite"),
    (task(valid=split(y=Y + 1)), "valid: y has class ids from 1 to 3, expected 0 to 2"),
    (task(valid=split(y=Y - 1)), "valid: y has class ids from -1 to 1, expected 0 to 2"),
    (task(test=split(X[:, :3])), "samples of test have shape (3,), those of train (4,)"),
    (task(make_model=lambda: nn.Linear(4, 5)), "the model maps 2 samples to (2, 5), expected (2, 3)"),
    (task(make_model=lambda: nn.Linear(7, 3)), "the model fails on inputs of shape (2, 4): RuntimeError"),
    (task(make_model=broken_model), "RuntimeError: no weights"),
    (task(make_model=lambda: nn.GRU(4, 3)), "the model maps 2 samples to tuple"),
    (task(metric="eror"), "unknown metric 'eror'; did you mean 'error'?"),
    (task(metric="mse"), "metric 'mse' is not defined for multiclass tasks; choose from error,"),
    (task(num_outputs=1), "num_outputs is 1, expected at least 2 for a multiclass task"),
    (task(kind=Kind.BINARY, num_outputs=2), "num_outputs is 2, expected exactly 1 for a binary task"),
    (task(kind=Kind.BINARY, num_outputs=1), "expected torch.float32 of shape (30, 1) for a binary task"),
    (
        task(
            kind="binary",
            num_outputs=1,
            train=split(y=BINARY * 2),
            valid=split(y=BINARY),
            test=split(y=BINARY),
        ),
        "y must be 0 or 1 for a binary task, found 2.0",
    ),
    (task(positive=1), "task 'mine': positive is an int, expected the name of a class as text"),
    (task(positive="a"), "positive is 'a', which chooses one of two classes, found a multiclass task with 3"),
    (task(kind=Kind.REGRESSION, num_outputs=0), "expected at least 1 for a regression task"),
    # Arrays.
    (arrays(y=Y[:9]), "x of shape (30, 4) and y of shape (9,) do not match"),
    (arrays(x=X[:, 0]), "x of shape (30,) and y of shape (30,) do not match"),
    (arrays(x=[[1, 2], [3]]), "x is not an array"),
    (arrays(y=3), "y of shape () do not match"),
    (arrays(x=X.astype(str)), "expected numbers; encode categories first"),
    (arrays(y=np.array([None] * 30)), "y has values of type object"),
    (arrays(x=with_bad(X, np.nan)), "x has 1 values that are NaN or infinite"),
    (arrays(y=with_bad(Y, np.inf)), "y has 1 values that are NaN or infinite"),
    (arrays(y=Y * 0), "y has 1 different labels, expected two or more for a multiclass task"),
    (arrays(kind="binary"), "y has 3 different labels, expected two for a binary task"),
    (arrays(y=np.eye(3, dtype=int)[Y]), "y has shape (30, 3), expected one label per sample"),
    (arrays(y=Y.astype(str), kind="regression"), "expected numbers of shape (samples,)"),
    (arrays(y=Y % 2, positive=2), "positive is '2', which no label of y is; known are: 0, 1"),
    (arrays(y=Y % 2, positive=np.array([1, 0])), "positive is '[1 0]', which no label of y is"),
    (arrays(y=Y % 2, positive=[1, [0]]), "positive is '[1, [0]]', which no label of y is"),
    (arrays(y=np.arange(30)), "class 0 has 1 of 30 samples, expected at least 3"),
    (arrays(x=X[:2], y=X[:2, 0]), "found 2 samples, expected at least one for training"),
    (arrays(valid_fraction=0.5, test_fraction=0.5), "found 0.5, 0.5"),
    (arrays(test_fraction=0.0), "fractions must be between 0 and 1"),
    (arrays(valid_fraction=float("nan")), "fractions must be between 0 and 1"),
    (arrays(data_seed=-1), "data_seed must be an integer of at least 0, found -1"),
    (arrays(data_seed=0.5), "data_seed must be an integer of at least 0, found 0.5"),
    (arrays(kind="clusters"), "unknown kind of task 'clusters'"),
    (arrays(model="lenet"), "unknown model 'lenet'; did you mean 'lenet5'?"),
    (arrays(metric="r2"), "metric 'r2' is not defined for multiclass tasks"),
    # Corruption.
    (lambda: Corruption(label_noise=-0.1), "label_noise is a fraction of at least 0 and below 1, found -0.1"),
    (lambda: Corruption(label_noise=1.0), "label_noise is a fraction"),
    (lambda: Corruption(label_noise=float("nan")), "found nan"),
    (lambda: Corruption(outliers=2), "outliers is a fraction"),
    (lambda: Corruption(imbalance=0.5), "imbalance is the largest over the smallest class size, at least 1"),
    (lambda: Corruption(imbalance=float("inf")), "at least 1, found inf"),
    (arrays(corruption=Corruption(outliers=0.1)), "outliers needs a regression task, found a multiclass one"),
    (
        arrays(y=X[:, 0], corruption=Corruption(label_noise=0.1)),
        "label_noise needs classes, found a regression",
    ),
    (
        arrays(y=X[:, 0], corruption=Corruption(imbalance=2)),
        "imbalance needs classes, found a regression task",
    ),
    (lambda: corrupt(task()(), Corruption(label_noise=0.1), -3), "data_seed must be an integer"),
    # Names.
    (lambda: make_task("digit"), "unknown task 'digit'; did you mean 'digits'?; your own task is path/to/"),
    (lambda: make_task("digits", train_size=0), "train_size must be between 1 and 1079"),
    (lambda: make_task("digits", train_size=2000), "between 1 and 1079, the training samples, found 2000"),
    (lambda: make_task("diabetes", model="lenet5"), "needs images of shape (channels, height, width), found"),
    (lambda: model_maker("lenet5", (1, 3, 9), 2), "needs images of at least 4x4 pixels, found 3x9"),
    (lambda: make_task("diabetes", metric="error"), "metric 'error' is not defined for regression tasks"),
    (lambda: make_task("digits", metric="/no/such.py:cost"), "metric '/no/such.py:cost': there is no file"),
    (lambda: make_task("digits", metric="auc"), "unknown metric 'auc'; did you mean 'auroc'?"),
    (
        lambda: find_metric("r2", Kind.REGRESSION).batched(torch.zeros(1, 3, 1), torch.ones(3, 1)),
        "metric 'r2' needs targets that vary",
    ),
    (
        lambda: find_metric("auroc", Kind.MULTICLASS).batched(torch.zeros(1, 2, 3), torch.tensor([0, 1])),
        "needs samples of every class, found none of class 2",
    ),
]


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES, ids=[row[1][:50] for row in MISTAKES])
def test_mistakes_are_explained(mistake, sentence):
    with pytest.raises(TaskError) as raised:
        mistake()
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_bases_of_the_table_are_no_mistakes():
    assert task()().num_outputs == 3
    assert arrays()().num_outputs == 3


# A user's file, what names it, and what the message must contain ({file} is the file's path).
USER_MISTAKES = [
    ("", "task", "{file}", "names no function; write path/to/file.py:function or package.module:function"),
    ("", "task", "{file}:", "names no function"),
    ("", "task", "{file}x.py:make", "there is no file"),
    ("def make(): pass", "task", "{file}:mak", "has no 'mak'; did you mean 'make'?"),
    ("_a = 1", "task", "{file}:make", "has no 'make'; known are: nothing"),
    ("make = 3", "task", "{file}:make", "is an int, expected a function"),
    (
        "x = 1\n1 / 0",
        "task",
        "{file}:make",
        "cannot be imported: {file}, line 2: ZeroDivisionError: division by zero",
    ),
    ("x = 1\n\ndef f(:", "task", "{file}:f", "cannot be imported: {file}, line 3: SyntaxError: "),
    ("import sys\nsys.exit(2)", "task", "{file}:f", "line 2: SystemExit: 2"),
    (
        "import no_such_thing",
        "task",
        "{file}:f",
        "line 1: ModuleNotFoundError: No module named 'no_such_thing'",
    ),
    ("", "task", "no.such.module:f", "there is no module 'no'; install it, add its folder to PYTHONPATH"),
    ("", "task", "symloss.nothing:f", "there is no module 'symloss.nothing'"),
    ("", "task", "math:sqroot", "math has no 'sqroot'; did you mean 'sqrt'?"),
    (
        "def f():\n    return 3",
        "task",
        "{file}:f",
        "returned an int; a task function takes no arguments and returns",
    ),
    ("def f(x):\n    return 3", "task", "{file}:f", "failed at {file}, line 1: TypeError"),
    (
        "import numpy as np\ndef f():\n    return np.ones(3).reshape(2, 2)",
        "task",
        "{file}:f",
        "failed at {file}, line 3: ValueError: cannot reshape",
    ),
    (
        "def f():\n    raise ValueError('two\\nlines')",
        "task",
        "{file}:f",
        "line 2: ValueError: two lines; a task",
    ),
    ("def f(p, t):\n    return p[9999]", "metric", "{file}:f", "failed at {file}, line 2: IndexError"),
    (
        "def f(p, t):\n    return 'good'",
        "metric",
        "{file}:f",
        "returned a str, expected a float: a metric takes",
    ),
    ("def f(p, t):\n    return p", "metric", "{file}:f", "returned a ndarray, expected a float"),
    ("def f(p, t):\n    return None", "metric", "{file}:f", "returned a NoneType, expected a float"),
    (
        "def f(p):\n    return 1",
        "metric",
        "{file}:f",
        "TypeError: f() takes 1 positional argument but 2 were given",
    ),
    ("def f(:", "metric", "{file}:f", "metric '{file}:f' cannot be imported"),
]


def cost_of(spec):
    return find_metric(spec, Kind.MULTICLASS).batched(torch.zeros(1, 4, 3), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize(
    ("text", "what", "spec", "sentence"), USER_MISTAKES, ids=[row[3][:40] for row in USER_MISTAKES]
)
def test_mistakes_in_users_files_are_located(tmp_path, text, what, spec, sentence):
    file = tmp_path / "mine.py"
    file.write_text(text)
    spec = spec.format(file=file)
    with pytest.raises(TaskError) as raised:
        make_task(spec) if what == "task" else cost_of(spec)
    message = str(raised.value)
    assert sentence.format(file=file) in message
    assert message.startswith(f"{what} '{spec}'")
    assert "\n" not in message


def test_a_package_that_fails_to_import_is_located(tmp_path, monkeypatch):
    (tmp_path / "failing_package_x.py").write_text("a = 1\nb = a.c\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TaskError, match=r"failing_package_x\.py, line 2: AttributeError"):
        make_task("failing_package_x:f")


@pytest.mark.parametrize("value", ["float('nan')", "1", "True", "__import__('numpy').float32(1)", "p.mean()"])
def test_numbers_of_any_type_are_costs(tmp_path, value):
    (tmp_path / "mine.py").write_text(f"def f(p, t):\n    return {value}\n")
    metric = find_metric(f"{tmp_path / 'mine.py'}:f", Kind.REGRESSION)
    found = metric.batched(torch.ones(2, 3, 1), torch.ones(3, 1))
    assert torch.equal(found.isnan(), torch.full((2,), value == "float('nan')"))
