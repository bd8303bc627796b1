"""From settings to what they mean: a task, a metric, a grammar, a searcher, a device."""

from __future__ import annotations

import hashlib
import math

import msgspec
import torch

from symloss.config import SearchConfig, TaskSettings
from symloss.errors import ConfigError, TaskError
from symloss.grammar import Grammar, load_grammar
from symloss.meta.choosing import plan_for
from symloss.meta.lockstep import seeded_model, seeded_networks
from symloss.meta.training import outputs_on
from symloss.networks import Separate
from symloss.records import Kind
from symloss.search.genetic import GeneticSearch
from symloss.search.given import GivenSearch
from symloss.search.protocol import Search
from symloss.search.random_search import RandomSearch
from symloss.search.seeding import seeds_from, sown
from symloss.search.taylorglo import TaylorGLOSearch
from symloss.seeds import load_seeds, sow, texts_of
from symloss.tasks import CORRUPTIONS, Corruption, Metric, Task, find_metric, make_task
from symloss.tasks.fingerprint import data_bytes
from symloss.tasks.loading import is_spec, source_digest

DEFAULT_GRAMMARS = {
    Kind.MULTICLASS: "classification",
    Kind.BINARY: "classification",
    Kind.REGRESSION: "regression",
}


def task_of(settings: TaskSettings) -> Task:
    """The task that settings describe, on its device."""
    task = make_task(
        settings.task,
        model=settings.model,
        corruption=corruption_of(settings),
        metric=settings.metric if settings.metric and ":" not in settings.metric else None,
        data_dir=settings.data_dir,
        data_seed=settings.data_seed,
        train_size=settings.train_size,
        augment=settings.augment,
    )
    return task.to(device_of(settings.device))


def corruption_of(settings: TaskSettings) -> Corruption:
    """How settings damage the training data: each field of `Corruption` is a setting of the same name."""
    return Corruption(**{name: getattr(settings, name) for name in CORRUPTIONS})


def metric_of(settings: TaskSettings, task: Task) -> Metric:
    """What is measured, and minimised by a search: the configured metric, or the task's own."""
    return find_metric(settings.metric or task.metric, task.kind, task.positive)


def check_metric(metric: Metric, task: Task, seed: int) -> None:
    """Raise TaskError if the metric fails on an untrained network: better now than after an hour."""
    network, parameters = seeded_networks(task.make_model, [seed], task.train.x.device, Separate)
    (cost,) = metric.batched(outputs_on(network, parameters, task.valid), task.valid.y).tolist()
    if not math.isfinite(cost):
        raise TaskError(
            f"metric '{metric.name}' is {cost} for an untrained network on the validation data, "
            "expected a finite number; correct the metric or choose another"
        )


def digest_of(settings: TaskSettings, task: Task) -> str:
    """A digest of what a task is: its data, its networks, and the files of a user's task and metric.

    It tells whether work that was begun may go on. What those files import is not part of it.
    """
    digest = hashlib.sha256()
    for part in data_bytes(task):
        digest.update(part)
    model = seeded_model(task.make_model, 0)
    digest.update(repr(model).encode())
    for name, value in model.state_dict().items():
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.cpu().numpy().tobytes())
    augmented = task.augment.name if task.augment is not None else None
    code = [source_digest(spec) for spec in (settings.task, settings.metric or task.metric) if is_spec(spec)]
    digest.update(repr((task.kind.value, task.num_outputs, task.metric, augmented, code)).encode())
    if task.positive is not None:
        digest.update(repr(task.positive).encode())
    return digest.hexdigest()


def device_of(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one. Raises ConfigError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}': expected cpu, cuda, cuda:N or auto") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}' was asked for, but no CUDA device is there; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device '{name}' is not there: CUDA devices are 0 to {torch.cuda.device_count() - 1}"
        )
    if name != "cpu" and device.type != "cuda":
        raise ConfigError(f"device '{name}' is not supported: expected cpu, cuda, cuda:N or auto")
    return device


def grammar_of(config: SearchConfig, kind: Kind) -> Grammar:
    """Which formulas may be proposed. Raises ConfigError for a grammar that the method does not use."""
    if config.method != "taylorglo":
        return load_grammar(config.grammar or DEFAULT_GRAMMARS[kind])
    if config.grammar not in (None, "taylorglo"):
        raise ConfigError(
            f"method 'taylorglo' has a polynomial of its own, found grammar '{config.grammar}'; leave it out"
        )
    return load_grammar("taylorglo")


def with_seeds(config: SearchConfig, source: str, task: Task | None = None) -> tuple[SearchConfig, str]:
    """A configuration with the formulas that `source` stands for, and a sentence about them.

    The configuration holds the formulas themselves, so that a run's record says all there is to know.
    source: as `load_seeds` takes it. task: if it is not that of the configuration.
    Raises a SymlossError if nothing there can be a start.
    """
    task = task or task_of(config)
    seeds = load_seeds(source, task.kind, task.num_outputs)
    if config.method not in ("evomal", "gp-lfl"):
        found = msgspec.structs.replace(config, seeds=texts_of(seeds), population=len(seeds), generations=1)
        return found, ""
    sown_seeds = sow(seeds, grammar_of(config, task.kind), config.population)
    return msgspec.structs.replace(config, seeds=texts_of(sown_seeds.used)), sown_seeds.sentence


def make_search(config: SearchConfig, grammar: Grammar, task: Task) -> Search:
    """The searcher of a configuration. Raises ConfigError if it has seeds and does not use them."""
    if config.seeds and config.method in ("taylorglo", "random"):
        raise ConfigError(
            f"method '{config.method}' does not start from seeds; leave them out, or use evomal or given"
        )
    if config.method == "taylorglo":
        classes = {Kind.MULTICLASS: task.num_outputs, Kind.BINARY: 2, Kind.REGRESSION: None}[task.kind]
        return TaylorGLOSearch(config.population, config.taylorglo, config.seed, classes)
    if config.method == "random":
        return RandomSearch(grammar, config.population, config.seed)
    seeds = seeds_from(config.seeds)
    if config.method == "given":
        return GivenSearch(seeds)
    derivable = sown(grammar, seeds)
    return GeneticSearch(grammar, config.population, config.genetic, config.seed, derivable)


def settled(config: SearchConfig, task: Task) -> SearchConfig:
    """The configuration with what is measured on this machine: a resumed run must not measure anew.

    How networks are grouped decides the last bits of their weights.
    """
    plan = plan_for(task, config.training)
    return msgspec.structs.replace(config, training=plan.settled(config.training))
