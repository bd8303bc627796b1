"""A suite: which searches and evaluations make up a benchmark, read from a YAML file.

    title: Discovered losses against handcrafted ones
    search: {generations: 20}                  # settings of every search, as in a configuration
    search_seeds: [0, 1, 2]
    start_from: catalogue                      # formulas that every search starts from, as --seeds takes them
    against: [all]
    learn: [ml3, adalfl]                       # learned losses, compared with in every evaluation
    learning: {training: {steps: 2000}}        # settings of each of them
    budget: {seeds: 20}                        # settings of every evaluation
    cases:
      - name: digits-noise
        task: {task: digits, label_noise: 0.4}
        transfer:
          - task: {model: linear}              # what changes; compared with the usual loss alone

What stands at a case is laid over what stands at the top; what stands at a transfer, over its case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec import Meta, Struct

from symloss.config import SearchConfig, Settings, Table, TaskSettings, checked, merged
from symloss.errors import ConfigError, did_you_mean
from symloss.evaluation.settings import Budget
from symloss.learning.settings import LearnConfig
from symloss.reading.files import once, read_text

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
Seeds = Annotated[tuple[Annotated[int, Meta(ge=0, lt=2**31)], ...], Meta(min_length=1)]
Names = tuple[str, ...]

MAX_BYTES = 100_000
"""Largest suite that is read; reading YAML takes a second for as much."""

MAX_DEPTH = 20
"""Deepest nesting of a suite."""


class TransferTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A transfer as it is written."""

    task: dict[str, Any]
    against: Names = ()
    budget: dict[str, Any] = {}


class CaseTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A case as it is written; None stands for what the suite says."""

    name: Name = "case"
    task: dict[str, Any] = {}
    search: dict[str, Any] = {}
    search_seeds: Seeds | None = None
    start_from: str | None = None
    against: Names | None = None
    learn: Names | None = None
    learning: dict[str, Any] = {}
    metrics: Names | None = None
    budget: dict[str, Any] = {}
    transfer: tuple[dict[str, Any], ...] = ()


class SuiteTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A suite as it is written."""

    title: str = "Discovered losses against handcrafted ones"
    task: dict[str, Any] = {}
    search: dict[str, Any] = {}
    search_seeds: Seeds = (0,)
    start_from: str = ""
    against: Names = ("all",)
    learn: Names = ()
    learning: dict[str, Any] = {}
    metrics: Names = ()
    budget: dict[str, Any] = {}
    cases: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)] = ({},)


@dataclass(frozen=True)
class Transfer:
    """The loss of a case on another task or model."""

    task: TaskSettings
    against: Names
    budget: Budget


@dataclass(frozen=True)
class Case:
    """Searches on a task, one from each seed, and the evaluation of the best of what they found.

    learned: losses that are learned as networks there, and compared with.
    start_from: where the searches have formulas from to start with, as `symloss search --seeds` takes it.
    """

    name: str
    task: TaskSettings
    searches: tuple[SearchConfig, ...]
    against: Names
    metrics: Names
    budget: Budget
    transfers: tuple[Transfer, ...]
    learned: tuple[LearnConfig, ...] = ()
    start_from: str = ""


@dataclass(frozen=True)
class Plan:
    """A suite in which every setting is known."""

    title: str
    cases: tuple[Case, ...]


def read_suite(path: Path, changes: Mapping[str, Any] | None = None) -> Plan:
    """The suite in a file, with `changes` laid over what stands at its top.

    Raises ConfigError naming what is wrong: everything is checked here that can be without data.
    """
    settings = merged(_from_yaml(path), changes or {})
    suite = _placed(str(path), settings, SuiteTable)
    cases = tuple(
        _case(suite, written, f"{path}: case {position}")
        for position, written in enumerate(suite.cases, start=1)
    )
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}: two cases are called '{twice[0]}'; each needs a name of its own")
    return Plan(suite.title, cases)


def _case(suite: SuiteTable, written: Mapping[str, Any], place: str) -> Case:
    if "name" not in written:
        raise ConfigError(f"{place}: a case needs a name, such as 'digits-noise'; its folder is called so")
    case = _placed(place, written, CaseTable)
    place = f"{place} ('{case.name}')"
    own = merged(suite.task, case.task)
    search = merged(suite.search, case.search)
    task = _placed(f"{place}, task", own, TaskSettings)
    twice = sorted(set(search) & {"seed", *TaskSettings.__struct_fields__})
    if twice:
        where = "search_seeds" if twice[0] == "seed" else "task"
        raise ConfigError(f"{place}: setting '{twice[0]}' belongs to '{where}', found it in 'search'")
    searches = tuple(
        _placed(f"{place}, search", {**search, **own, "seed": seed}, SearchConfig)
        for seed in case.search_seeds or suite.search_seeds
    )
    learning = merged(suite.learning, case.learning)
    learned = tuple(
        _placed(f"{place}, learning", merged(LearnConfig.usual(method), learning, own), LearnConfig)
        for method in dict.fromkeys(suite.learn if case.learn is None else case.learn)
    )
    budget = merged(suite.budget, case.budget)
    return Case(
        case.name,
        task,
        searches,
        suite.against if case.against is None else case.against,
        suite.metrics if case.metrics is None else case.metrics,
        _budget(f"{place}, budget", budget),
        tuple(_transfer(f"{place}, transfer", own, budget, table) for table in case.transfer),
        learned,
        suite.start_from if case.start_from is None else case.start_from,
    )


def _transfer(place: str, task: Settings, budget: Settings, written: Mapping[str, Any]) -> Transfer:
    if "task" not in written:
        raise ConfigError(f"{place}: a transfer needs 'task', with what changes, such as {{model: linear}}")
    table = _placed(place, written, TransferTable)
    return Transfer(
        _placed(f"{place}, task", merged(task, table.task), TaskSettings),
        table.against,
        _budget(f"{place}, budget", merged(budget, table.budget)),
    )


def _budget(place: str, settings: Settings) -> Budget:
    usual = {"training": {"steps": Budget().training.steps}}
    return _placed(place, merged(usual, settings), Budget)


def _placed(place: str, settings: Mapping[str, Any], kind: type[Table]) -> Table:
    """A table of `kind`; errors say where in the file the settings stand."""
    try:
        return checked(settings, kind)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _from_yaml(path: Path) -> Settings:
    """What a YAML file says; nothing in it is executed, and nothing may stand for something else in it."""
    text = read_text(path, "the suite", ConfigError, MAX_BYTES)
    try:
        _check_tokens(path, text)
        found = _Once(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: this is not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: this is not valid YAML: {reason}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{path}: expected settings by name, such as 'cases:', found something else")
    return found


def _check_tokens(path: Path, text: str) -> None:
    """Raise ConfigError for aliases and for deep nesting, before anything is made of them.

    An alias may stand for aliases, and these for more: a page can so mean more than any memory holds.
    """
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise ConfigError(f"{path}: aliases (*name) are not read here; write the settings out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{path}: settings are nested more than {MAX_DEPTH} deep; no suite needs that")


_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class _Once(yaml.SafeLoader):
    """Plain data, in which no name is given twice: the last one would win, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        once([(str(key.value), None) for key, _ in node.value])
        return super().construct_mapping(node, deep)


def chosen_cases(plan: Plan, names: Sequence[str]) -> Plan:
    """The suite with these cases alone; all of them if none is named."""
    known = [case.name for case in plan.cases]
    for name in names:
        if name not in known:
            raise ConfigError(f"the suite has no case '{name}': {did_you_mean(name, known)}")
    return replace(plan, cases=tuple(case for case in plan.cases if not names or case.name in names))
