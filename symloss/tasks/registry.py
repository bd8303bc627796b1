"""Tasks by name: built in, or a user's function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from symloss.errors import TaskError, a_type, did_you_mean
from symloss.records import Kind
from symloss.tasks.building import build_task
from symloss.tasks.corruption import Corruption, corrupt
from symloss.tasks.dataset import Dataset
from symloss.tasks.datasets import LOADERS
from symloss.tasks.loading import FORMS, call_user, is_spec, load_callable
from symloss.tasks.metrics import class_ids, find_metric
from symloss.tasks.models import model_maker
from symloss.tasks.splitting import generator, subsample_indices
from symloss.tasks.table_spec import PREFIX, SHORT_FORM
from symloss.tasks.tables import READERS
from symloss.tasks.tabular import user_table
from symloss.tasks.task import Split, Task


def make_task(
    name_or_spec: str,
    *,
    model: str | None = None,
    corruption: Corruption | None = None,
    metric: str | None = None,
    data_dir: str | Path | None = None,
    data_seed: int = 0,
    train_size: int | None = None,
    augment: bool = True,
) -> Task:
    """A task by name, or from a user's function without arguments that returns a Task.

    name_or_spec: a name in `TASKS`, or `path/to/file.py:function`, or `package.module:function`, or
                `table:FILE?target=COLUMN` (see `tabular`).
    model, metric: replace the task's own; see `MODELS` and `METRICS`; a metric may be a user's function.
    corruption: of the training part; nothing by default.
    data_dir:   folder with data files, searched first.
    data_seed:  decides the split, the subsample and the corruption.
    train_size: number of training samples to keep (stratified), all by default.
    augment:    False leaves out the augmentation that the task has for its training batches.
    Raises:     TaskError in one sentence.
    """
    corruption = corruption or Corruption()
    if is_spec(name_or_spec) and not name_or_spec.startswith(PREFIX):
        task = _smaller(_user_task(name_or_spec), train_size, data_seed)
        task = corrupt(_with_model(task, model), corruption, data_seed)
        task = replace(task, metric=metric or task.metric, augment=task.augment if augment else None)
    else:
        task = build_task(
            _dataset(name_or_spec, data_dir),
            model=model,
            metric=metric,
            corruption=corruption,
            data_seed=data_seed,
            train_size=train_size,
            augment=augment,
        )
    find_metric(task.metric, task.kind, task.positive)  # one that cannot be imported should fail now
    return task


def _dataset(name: str, data_dir: str | Path | None) -> Dataset:
    if name.startswith(PREFIX):
        return user_table(name, data_dir)
    if name not in LOADERS:
        hint = did_you_mean(name, LOADERS)
        if Path(name).suffix in READERS:
            hint = f"a table is written {PREFIX}{name}?target=COLUMN"
        raise TaskError(f"unknown task '{name}'; {hint}; your own task is {FORMS}, or {SHORT_FORM}")
    return LOADERS[name](data_dir)


def _user_task(spec: str) -> Task:
    advice = "a task function takes no arguments and returns a symloss.tasks.Task"
    found = call_user(load_callable(spec, "task"), f"task '{spec}'", advice)
    if not isinstance(found, Task):
        raise TaskError(f"task '{spec}' returned {a_type(found)}; {advice}")
    return found


def _with_model(task: Task, model: str | None) -> Task:
    if model is None:
        return task
    return replace(task, make_model=model_maker(model, task.input_shape, task.num_outputs), model_name=model)


def _smaller(task: Task, train_size: int | None, data_seed: int) -> Task:
    if train_size is None:
        return task
    if task.kind is Kind.REGRESSION:
        strata = np.zeros(len(task.train), np.int64)
    else:
        strata = class_ids(task.train.y).cpu().numpy()
    kept = torch.from_numpy(subsample_indices(strata, train_size, generator(data_seed, "train size")))
    return replace(task, train=Split(task.train.x[kept], task.train.y[kept]))
