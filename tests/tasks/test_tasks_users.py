"""Tasks and functions that users bring along."""

import os
import sys

import pytest
import torch

from symloss.records import Kind
from symloss.tasks import Corruption, Task, load_callable, make_task

TASK = """
import torch
from torch import nn
from symloss.tasks import Split, Task

def part(n):
    x = torch.arange(float(4 * n)).reshape(n, 4) / n
    return Split(x, torch.arange(n) % 2)

def make():
    model = lambda: nn.Linear(4, 2)
    return Task("mine", "multiclass", part(40), part(10), part(10), model, 2, "error", "own")
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "mine.py").write_text(TASK)
    return f"{tmp_path / 'mine.py'}:make"


def test_a_users_task_is_used_as_it_is(spec):
    task = make_task(spec)
    assert isinstance(task, Task)
    assert task.kind is Kind.MULTICLASS
    assert (task.name, task.model_name, task.metric) == ("mine", "own", "error")


def test_options_apply_to_a_users_task(spec):
    plain = make_task(spec)
    task = make_task(
        spec, model="mlp", metric="cross-entropy", train_size=20, corruption=Corruption(label_noise=0.25)
    )
    assert (task.model_name, task.metric, len(task.train)) == ("mlp", "cross-entropy", 20)
    assert "label noise: 5 of 20" in task.notes[-1]
    assert torch.equal(task.valid.y, plain.valid.y)
    assert task.make_model()(task.train.x).shape == (20, 2)
    assert torch.bincount(make_task(spec, train_size=20).train.y).tolist() == [10, 10]


def test_a_users_metric_can_be_a_tasks_metric(spec, tmp_path):
    (tmp_path / "metric.py").write_text("def cost(predictions, targets):\n    return 1.0\n")
    name = f"{tmp_path / 'metric.py'}:cost"
    assert make_task("digits", metric=name, model="linear").metric == name
    assert make_task(spec, metric=name).metric == name


def test_a_function_of_a_module(tmp_path, monkeypatch):
    (tmp_path / "mypackage_tasks").mkdir()
    (tmp_path / "mypackage_tasks/__init__.py").write_text("")
    (tmp_path / "mypackage_tasks/inner.py").write_text(TASK)
    monkeypatch.syspath_prepend(tmp_path)
    assert make_task("mypackage_tasks.inner:make").name == "mine"
    assert load_callable("math:sqrt", "metric")(4) == 2


def test_a_file_is_executed_once_until_it_changes(tmp_path):
    file = tmp_path / "counted.py"
    file.write_text("def f():\n    return 1\n")
    first = load_callable(f"{file}:f", "task")
    assert load_callable(f"{file}:f", "task") is first
    file.write_text("def f():\n    return 2\n")
    os.utime(file, ns=(1, 1))
    assert load_callable(f"{file}:f", "task")() == 2


def test_a_failed_import_leaves_no_module(tmp_path):
    file = tmp_path / "broken_module.py"
    file.write_text("import nothing_of_this_name\n")
    with pytest.raises(Exception, match="ModuleNotFoundError"):
        load_callable(f"{file}:f", "task")
    assert not [name for name in sys.modules if name.startswith("symloss_user_broken")]
