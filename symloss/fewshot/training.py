"""Few-shot training from start to end, and evaluation: for the command line and for Python.

from symloss.fewshot import evaluate, load_task, method_settings, train

task = load_task(Data(dataset="glyphs", ways=5, shots=1, queries=15))
train(method_settings("npbml"), task, Path("runs/few"))
print(evaluate([Path("runs/few")], tasks=600))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from symloss import __version__
from symloss.archive.changes import answer_changes
from symloss.archive.holding import held, make_folder
from symloss.errors import RunError, TaskError
from symloss.escaping import pasted
from symloss.fewshot import folder
from symloss.fewshot.course import Saved, Schedule, Work, run_stage
from symloss.fewshot.encoder import Pretraining, RelationTraining
from symloss.fewshot.episodes.episode import FewShotTask
from symloss.fewshot.folder import Data, Record, State
from symloss.fewshot.meta_training import MetaTraining, TaskLearner, chosen_batching
from symloss.fewshot.settings import Settings
from symloss.records import Kind
from symloss.report.tensorboard import log_scalars

Say = Callable[[str], None]
Stop = Callable[[], bool]


def _nothing(line: str) -> None:
    """Says nothing."""


def _never() -> bool:
    return False


def load_task(data: Data) -> FewShotTask:
    """The episodes that a record names. Raises TaskError if they were given in Python."""
    from symloss.fewshot.episodes import make_fewshot

    if data.dataset is None:
        raise TaskError("the run was made in Python with a task of its own; give that task again as `task`")
    where = Path(data.data) if data.data else None
    return make_fewshot(data.dataset, data.ways, data.shots, data.queries, seed=data.seed, data=where)


def train(
    settings: Settings,
    task: FewShotTask,
    out: Path,
    data: Data | None = None,
    device: str = "cpu",
    say: Say = _nothing,
    stop: Stop = _never,
) -> bool:
    """Train into a new folder. Whether training is complete: `stop` ends it after a step.

    data: how to find the task again; without it `resume` and `evaluate` want the task itself.
    Raises: RunError if the folder exists and is not empty; TaskError if task and network do not fit.
    """
    check(settings, task)
    folder.check_new(out)
    own = Data(dataset=None, ways=task.ways, shots=task.shots, queries=task.queries)
    batched = chosen_batching(settings, task, torch.device(device))
    record = folder.new_record(settings, data or own, device, tuple(task.train.shape), batched)
    make_folder(out)
    with held(out):  # before it is made: of two that are given one folder, the second is refused
        folder.create(out, record)
        return _go_on(record, task, out, say, stop)


def resume(
    out: Path,
    task: FewShotTask | None = None,
    say: Say = _nothing,
    stop: Stop = _never,
    force: bool = False,
) -> bool:
    """Go on with training; whether it is complete. What an uninterrupted run had computed comes out.

    force: also with other versions, with which it may not.
    """
    record = folder.read_record(out)
    before = {"torch": record.torch, "symloss": record.symloss}
    versions = {"torch": str(torch.__version__), "symloss": __version__}
    changes = [
        f"{name} is {now} and was {before[name]}" for name, now in versions.items() if before[name] != now
    ]
    answer_changes("training", out, changes, force, say)
    with held(out):
        return _go_on(record, _task_of(record, task), out, say, stop)


def check(settings: Settings, task: FewShotTask) -> None:
    """Raise TaskError if a task cannot be learned by these settings."""
    if task.train.kind is Kind.MULTICLASS:
        return
    if settings.pretraining.steps or settings.network.head == "cone":
        raise TaskError(
            f"'{task.name}' is regression, which has no classes for an encoder or a cone: set "
            "pretraining.steps=0, network.frozen=0 and network.head=plain"
        )


def _task_of(record: Record, task: FewShotTask | None) -> FewShotTask:
    found = load_task(record.data) if task is None else task
    if tuple(found.train.shape) != tuple(record.shape) or found.ways != record.data.ways:
        raise RunError(
            f"the run learned from inputs of shape {tuple(record.shape)} in {record.data.ways} classes, but "
            f"the task has {tuple(found.train.shape)} in {found.ways}; give the data that it was made with"
        )
    return found


def _go_on(record: Record, task: FewShotTask, out: Path, say: Say, stop: Stop) -> bool:
    """All stages that are not finished."""
    settings, device = record.settings, torch.device(record.device)
    state = folder.read_state(out, device)
    if state.stages:
        folder.write_history(out, state)
    for name, steps in _stages(settings, task):
        if steps == 0:
            continue
        work = _work(name, record, task, state, device)
        saved = run_stage(
            work, _schedule(name, settings), state.stages.get(name), _saver(out, state), say, stop
        )
        if saved.step < steps:
            return False
    return True


def _stages(settings: Settings, task: FewShotTask) -> list[tuple[str, int]]:
    relation = settings.loss.transductive and settings.loss.encoder == "relation"
    classes = task.train.kind is Kind.MULTICLASS
    return [
        ("encoder", settings.pretraining.steps),
        ("relation", settings.relation.steps if relation and classes else 0),
        ("meta", settings.outer.steps),
    ]


def _schedule(name: str, settings: Settings) -> Schedule:
    if name == "meta":
        outer = settings.outer
        return Schedule(outer.steps, outer.rate, outer.floor, 0.0, outer.clip)
    stage = settings.pretraining if name == "encoder" else settings.relation
    return Schedule(stage.steps, stage.rate, decay=stage.decay)


def _encoder(state: State) -> dict[str, torch.Tensor]:
    return {n: v for n, v in state.best("encoder").items() if not n.startswith("classifier.")}


def _work(name: str, record: Record, task: FewShotTask, state: State, device: torch.device) -> Work:
    if name == "encoder":
        return Pretraining(record.settings, task, device)
    if name == "relation":
        encoder = _encoder(state) or Pretraining(record.settings, task, device).encoder.initial()
        return RelationTraining(record.settings, task, encoder, device)
    return MetaTraining(record.settings, task, _learner(record, task, state, device))


def _learner(record: Record, task: FewShotTask, state: State, device: torch.device) -> TaskLearner:
    relation = state.best("relation")
    return TaskLearner(record.settings, task, _encoder(state), relation, device, record.batched)


def _saver(out: Path, state: State) -> Callable[[Saved], None]:
    """Saves a stage among those before it, and tells TensorBoard."""
    shown = {name: len(saved.history) for name, saved in state.stages.items()}

    def save(saved: Saved) -> None:
        state.stages[saved.stage] = saved
        folder.write_state(out, state)
        rows = saved.history[shown.get(saved.stage, 0) :]
        names = [(row, name) for row in rows for name in ("loss", "cost")]
        log_scalars(out, [(f"{saved.stage}/{name}", int(row["step"]), row[name]) for row, name in names])
        shown[saved.stage] = len(saved.history)

    return save


@dataclass(frozen=True)
class Trained:
    """What a run learned, ready to learn tasks. step: finished meta steps."""

    record: Record
    task: FewShotTask
    learner: TaskLearner
    meta: dict[str, torch.Tensor]
    step: int

    def errors(self, tasks: int) -> list[float]:
        """The error of each of the first test tasks: the share of wrong classes, or squared error."""
        return self.learner.errors(self.meta, self.task.test, tasks)


def load(path: Path, task: FewShotTask | None = None) -> Trained:
    """What a run has learned so far: its best checkpoint. Raises RunError if there is none yet."""
    record = folder.read_record(path)
    state = folder.read_state(path, record.device)
    if not state.best("meta") or "meta" not in state.stages:
        raise RunError(f"'{path}' has no checkpoint yet; go on with it: symloss resume {pasted(path)}")
    found = _task_of(record, task)
    learner = _learner(record, found, state, torch.device(record.device))
    return Trained(record, found, learner, state.best("meta"), state.stages["meta"].step)
