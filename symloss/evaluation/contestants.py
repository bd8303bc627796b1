"""The losses of a comparison, from what a user calls them."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from symloss.archive.learned import LearnedFolder
from symloss.errors import ConfigError, TaskError, a_type
from symloss.expr import format_formula
from symloss.learning.loading import load_learned
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.exact import trainable
from symloss.losses.function import Balanced, FunctionLoss, Loss, OnlineLoss
from symloss.losses.published import Handcrafted
from symloss.records import Kind
from symloss.sources import BALANCED, LoadedLoss, load_loss
from symloss.tasks.loading import call_user, is_spec, load_callable, source_digest

STANDARD = {
    Kind.MULTICLASS: "cross-entropy",
    Kind.BINARY: "binary-cross-entropy",
    Kind.REGRESSION: "mse",
}
"""What each kind of task is usually trained with."""

ADVICE = "a loss takes (outputs, labels) as torch's own do and returns a tensor that depends on outputs"


@dataclass(frozen=True)
class Version:
    """A loss with its own parameters set; `label` says to what, and is empty where there are none."""

    label: str
    loss: Loss


@dataclass(frozen=True)
class Contestant:
    """A loss under one name, in the versions that may be chosen from.

    formula: for people; None for code. judged: True for what the evaluation is about, False for what it is
             compared with. identity: a text that changes when the loss does.
    """

    name: str
    versions: tuple[Version, ...]
    formula: str | None
    judged: bool
    identity: str = ""


def contestants_for(
    kind: Kind, losses: Sequence[str], against: Sequence[str], own_parameters: bool
) -> list[Contestant]:
    """The losses of an evaluation on a task of some kind, first what is judged.

    A loss that is named twice takes part once. Raises ConfigError, or another SymlossError, for what cannot
    be found or is of another kind, and where one name stands for two losses.
    """
    judged = [
        contestant(source, kind, own_parameters, judged=True, name=name)
        for name, source in map(split_name, losses)
    ]
    others = [
        contestant(source, kind, own_parameters, judged=False, name=name)
        for name, source in map(split_name, expanded(kind, against))
    ]
    found: dict[str, Contestant] = {}
    for own in [*judged, *others]:
        if found.setdefault(own.name, own).identity != own.identity:
            raise ConfigError(
                f"two losses are called '{own.name}'; name them apart, as in "
                "mine=runs/first other=runs/second"
            )
    chosen = list(found.values())
    if all(own.judged for own in chosen):  # then those to compare with are among them
        references = {own.name for own in others}
        chosen = [replace(own, judged=own.name not in references) for own in chosen]
    if len({own.judged for own in chosen}) == 1:
        names = " and ".join(found)
        raise ConfigError(f"there is nothing to compare {names} with; name other losses with --against")
    return chosen


def expanded(kind: Kind, against: Sequence[str]) -> list[str]:
    """The names that `against` stands for: "all" is every published loss that is no multiple of another."""
    if not against:
        return [STANDARD[kind]]
    every = [row.name for row in CATALOGUE.values() if kind in row.kinds and not row.twin]
    return [name for given in against for name in (every if given == "all" else [given])]


def split_name(given: str) -> tuple[str | None, str]:
    """A name and a loss, from `name=loss`; no name if there is none, or if all of it is a file."""
    found = _NAMED.match(given)
    if found is None or os.path.exists(given):
        return None, given
    return found[1].strip(), found[2]


def source_of(given: str) -> str:
    """The loss itself in `given`, without a name for it and without weights of classes."""
    _, source = split_name(given)
    inside = BALANCED.fullmatch(source)
    return source if inside is None else inside[1]


_NAMED = re.compile(r"([\w][\w .#+-]*)=([^=].*)$", re.DOTALL)


def contestant(
    source: str, kind: Kind, own_parameters: bool, judged: bool, name: str | None = None
) -> Contestant:
    """One loss, from any of the forms in which it can be given; `name` is what it is shown by."""
    if (inside := BALANCED.fullmatch(source)) is not None:
        return _balanced(contestant(inside[1], kind, own_parameters, judged), kind, name or source)
    if is_code(source):
        return Contestant(
            name or source, (Version("", user_loss(source)),), None, judged, source_digest(source)
        )
    if LearnedFolder.is_one(Path(source)):
        return _learned(source, kind, judged, name)
    found = load_loss(source, kind)
    if found.loss.kind is not kind:
        raise ConfigError(
            f"'{source}' is a loss for {found.loss.kind.value} tasks, this is {kind.value}; choose another"
        )
    if found.row is not None:
        # Parameters that the user gave are not up for choice.
        rows = _settings_of(found.row) if own_parameters and not found.row.chosen else [found.row]
        versions = tuple(Version(_label(row) if len(rows) > 1 else "", trainable(row)) for row in rows)
        # The names of published losses are those of their rows; the version says which formulas these are.
        stated = ", ".join(str(row.expression) for row in rows)
        return Contestant(name or found.name, versions, found.row.formula, judged, stated)
    expression = found.loss.expression
    return Contestant(
        name or _name(found, source),
        (Version("", expression),),
        format_formula(expression),
        judged,
        str(expression),
    )


def _balanced(plain: Contestant, kind: Kind, name: str) -> Contestant:
    """The same loss with all classes weighing the same."""
    if kind is Kind.REGRESSION:
        raise ConfigError(f"'{name}' weights samples by class, and there are none in a regression task")
    versions = []
    for own in plain.versions:
        if isinstance(own.loss, OnlineLoss | Balanced):
            raise ConfigError(
                f"'{name}' cannot weight samples by class: it takes a formula, a name or your own function"
            )
        versions.append(replace(own, loss=Balanced(own.loss)))
    formula = None if plain.formula is None else f"balanced({plain.formula})"
    return replace(
        plain, name=name, versions=tuple(versions), formula=formula, identity=f"balanced {plain.identity}"
    )


def _learned(source: str, kind: Kind, judged: bool, name: str | None) -> Contestant:
    """A learned loss: frozen, or learning anew with every network from where its run began to train one."""
    found = load_learned(Path(source))
    if found.record.task.kind is not kind:
        raise ConfigError(
            f"'{source}' is a loss for {found.record.task.kind.value} tasks, this is {kind.value}; "
            "choose another"
        )
    loss = found.loss()
    return Contestant(name or source, (Version("", loss),), None, judged, found.identity())


def is_code(source: str) -> bool:
    """Whether `source` names a user's function; an exported file has no function named behind it."""
    return is_spec(source) and ":" in source and not os.path.exists(source)


def _settings_of(row: Handcrafted) -> list[Handcrafted]:
    return [row.with_parameters(**values) for values in row.grid] or [row]


def _label(row: Handcrafted) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in row.parameters.items())


def _name(found: LoadedLoss, source: str) -> str:
    """A run is called by its folder and the candidate, anything else as the user called it."""
    if found.candidate is None:
        return source if len(source) <= 40 else f"{source[:37]}..."
    return f"{Path(source).name} #{found.candidate.id}"


def user_loss(spec: str) -> FunctionLoss:
    """A user's function or module. What it raises, and what it returns in error, becomes one sentence."""
    found = load_callable(spec, "loss")
    if isinstance(found, type) and issubclass(found, nn.Module):
        found = call_user(found, f"loss '{spec}'", "a module must be made without arguments")
    return FunctionLoss(spec, functools.partial(_checked, found, spec), follows=_follows(found))


def _follows(function: Callable[..., Any]) -> bool:
    """Whether a loss takes `progress`, the share of training that is done."""
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        return "progress" in inspect.signature(called).parameters
    except (TypeError, ValueError):  # a function that does not tell its parameters
        return False


def _checked(
    function: Callable[..., Any], spec: str, outputs: Tensor, labels: Tensor, **more: float
) -> Tensor:
    value = call_user(function, f"loss '{spec}'", ADVICE, outputs, labels, **more)
    if not isinstance(value, Tensor):
        raise TaskError(f"loss '{spec}' returned {a_type(value)}, expected a tensor: {ADVICE}")
    if value.numel() != 1 and value.shape[:1] != outputs.shape[:1]:
        raise TaskError(
            f"loss '{spec}' returned a tensor of shape {tuple(value.shape)} for {len(outputs)} samples, "
            "expected one number, or one for each sample"
        )
    if not value.requires_grad:
        raise TaskError(f"loss '{spec}' does not depend on the outputs, so nothing can be learned: {ADVICE}")
    return value
