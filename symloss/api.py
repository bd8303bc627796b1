"""The Python interface: search, look at what was found, and take it away.

search = LossSearch(task="digits", label_noise=0.4, seed=0).fit()
print(search.candidates_)
loss = search.best_.to_torch()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from symloss.archive import RunFolder
from symloss.config import SearchConfig, resolve, to_settings
from symloss.errors import ConfigError, NotFittedError
from symloss.export.header import Header
from symloss.expr import Expr, format_formula
from symloss.records import Candidate, Confirmation, SymbolicLoss, ranked
from symloss.sources import header_of
from symloss.tasks.names import CORRUPTIONS

if TYPE_CHECKING:
    import sympy

    from symloss.export import TorchLoss
    from symloss.run import Outcome
    from symloss.tasks import Task


@dataclass(frozen=True, repr=False)
class DiscoveredLoss:
    """A candidate of a search, with the ways to take it away."""

    candidate: Candidate
    header: Header = field(default_factory=Header)

    @property
    def id(self) -> int:
        return self.candidate.id

    @property
    def loss(self) -> SymbolicLoss:
        """The loss as a value."""
        return self.candidate.loss

    @property
    def expression(self) -> Expr:
        """The formula as a value; its text, with all digits, is `str(loss.expression)`."""
        return self.candidate.loss.expression

    @property
    def formula(self) -> str:
        """The formula for people, with rounded constants."""
        return format_formula(self.expression)

    @property
    def size(self) -> int:
        return self.candidate.size

    @property
    def fitness(self) -> float:
        """The validation cost in the search, by which candidates bred; lower is better. See `confirmed`."""
        assert self.candidate.score.fitness is not None
        return self.candidate.score.fitness

    @property
    def confirmed(self) -> float | None:
        """What finalists are ordered by: the mean validation cost over fresh seeds; None for the others.

        Its standard error, the number of seeds and of steps are those of `confirmation`.
        """
        return self.confirmation.cost if self.confirmation else None

    @property
    def confirmation(self) -> Confirmation | None:
        """The second look at a finalist."""
        return self.candidate.confirmation

    @property
    def learning_rate(self) -> float | None:
        """The best learning rate of those that a finalist was trained with."""
        return self.confirmation.learning_rate if self.confirmation else None

    def sympy(self) -> sympy.Expr:
        """The formula as a SymPy expression in p and y, where no protection of an operator is active."""
        from symloss.export.algebra import to_sympy

        return to_sympy(self.expression, kind=self.loss.kind)

    def latex(self, digits: int | None = None) -> str:
        """The formula in LaTeX, ready for an equation; constants in four digits unless told otherwise."""
        return self.export("latex", digits=digits)

    def to_torch(self, learnable: bool = False, **options: Any) -> TorchLoss:
        """The loss as a PyTorch module, `module(outputs, labels)`: that of the exported file.

        learnable: make the constants a parameter. options: `weight`, `reduction`, and `ignore_index` for
        several classes, as torch's own losses have them. See `symloss.export.torch_module`.
        """
        from symloss.export import torch_module

        return torch_module(self.loss, learnable, **options)

    def export(self, format: str = "torch", **options: Any) -> str:
        """Standalone code, JSON or LaTeX, as text. Code is executed and compared before it is returned.

        options: those of `symloss.export.export_code`: digits, guards, learnable, standalone.
        Raises ExportError if the code does not compute the loss.
        """
        from symloss.export import export_code

        return export_code(self.candidate, format, header=self.header, **options).text

    def __str__(self) -> str:
        return self.formula

    def __repr__(self) -> str:
        from symloss.report.tables import short, with_error

        told = [repr(self.formula), f"id={self.id}", f"size={self.size}", f"fitness={short(self.fitness)}"]
        second = self.confirmation
        if second is not None and second.cost is not None:
            cost = with_error(second.cost, second.standard_error)
            told += [f"confirmed={cost} over {second.seeds} seeds", f"learning_rate={second.learning_rate:g}"]
        return f"DiscoveredLoss({', '.join(told)})"

    def _repr_latex_(self) -> str:
        from symloss.export.latex import formula

        return f"${formula(self.loss)}$"


class CandidateTable(Sequence[DiscoveredLoss]):
    """The scored candidates of a search, best first. Prints as a table."""

    def __init__(self, losses: Sequence[DiscoveredLoss]) -> None:
        self._losses = tuple(losses)

    @overload
    def __getitem__(self, index: int) -> DiscoveredLoss: ...
    @overload
    def __getitem__(self, index: slice) -> CandidateTable: ...
    def __getitem__(self, index: int | slice) -> DiscoveredLoss | CandidateTable:
        if isinstance(index, slice):
            return CandidateTable(self._losses[index])
        return self._losses[index]

    def __len__(self) -> int:
        return len(self._losses)

    def __iter__(self) -> Iterator[DiscoveredLoss]:
        return iter(self._losses)

    def to_dicts(self) -> list[dict[str, Any]]:
        """A list of plain rows, for `pandas.DataFrame(...)` and the like."""
        from symloss.report.tables import as_row

        return [as_row(loss.candidate) for loss in self._losses]

    def to_latex(self, limit: int = 20) -> str:
        """The best `limit` candidates as a booktabs table."""
        from symloss.export.latex import candidates_table

        return candidates_table([loss.candidate for loss in self._losses[:limit]])

    def _repr_html_(self) -> str:
        """The best candidates for a notebook, which shows the formulas in mathematics."""
        from symloss.export.latex import candidates_html

        return candidates_html([loss.candidate for loss in self._losses[:20]])

    def __repr__(self) -> str:
        from rich.console import Console

        from symloss.report.tables import candidate_table

        console = Console(width=120, force_terminal=False, color_system=None)
        with console.capture() as capture:
            console.print(candidate_table([loss.candidate for loss in self._losses[:20]]))
        more = f"... and {len(self) - 20} more" if len(self) > 20 else ""
        return capture.get() + more


class LossSearch:
    """A search for loss functions, in the manner of scikit-learn.

    settings: those of `SearchConfig` by name: task, label_noise, grammar, population, generations, seed, ...;
              tables of settings are dictionaries: training={"steps": 1000}. seeds may also be "catalogue",
              and metric a function of (predictions, targets) as arrays that returns a cost.
    out:      folder for the record of the run, new or empty; without it nothing is written.
    After `fit`: `candidates_` (best first), `best_`, `outcome_`, and `notes_`: what is to be known of the
              data, the metric and the result, in sentences.
    Raises:   ConfigError for an unknown setting or an impossible value.
    Warns:    SymlossWarning if the metric tells no known losses apart, or the best of them is not beaten.
    """

    def __init__(self, *, out: str | Path | None = None, **settings: Any) -> None:
        self._configure({**settings, "out": out})

    def _configure(self, given: dict[str, Any]) -> None:
        settings = {name: value for name, value in given.items() if name != "out"}
        # Which of them a grammar derives depends on the task, which `fit` may be given.
        start_from = settings.pop("seeds") if isinstance(settings.get("seeds"), str) else None
        metric = settings.pop("metric") if callable(settings.get("metric")) else None
        self.config: SearchConfig = resolve(settings)
        self._given, self._start_from, self._metric = given, start_from, metric
        self.out = None if given["out"] is None else Path(given["out"])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings as they were given, for `sklearn.base.clone` and the like. deep: has no effect."""
        return dict(self._given)

    def set_params(self, **settings: Any) -> LossSearch:
        """Change settings, which are checked as when the search was made; the others stay."""
        self._configure({**self._given, **settings})
        return self

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *,
        valid: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        task: Task | None = None,
        kind: str | None = None,
        positive: object = None,
    ) -> LossSearch:
        """Search on the configured task, on `task`, or on data.

        x: (samples, features...) numbers. y: (samples,) integer class ids, or (samples,) or
        (samples, outputs) values for regression. They are split into training, validation and test parts.
        valid, test: x and y of validation or test data of your own, which are then not split off.
        kind: of the data, "multiclass", "binary" or "regression", if y alone does not say so.
        positive: the label of two that is class 1, and that f1 and average-precision then count alone.
        """
        from symloss.notes import Warner, notes_of, unbeaten, warn
        from symloss.run import start
        from symloss.run_record import versions

        if x is None and any(own is not None for own in (kind, valid, test, positive)):
            raise ConfigError(
                "kind, valid, test and positive go with x and y, which are missing; a task has its own"
            )
        if x is not None or y is not None:
            if task is not None or x is None or y is None:
                raise ConfigError("fit takes x and y together, or a task, or nothing; found another mixture")
            task = self._task_from(x, y, kind=kind, valid=valid, test=test, positive=positive)
        elif task is not None:
            self._refuse("a task is used as it is", "model", *CORRUPTIONS, "train_size", "augment")
        config, said = self._with_seeds(task)
        self.outcome_: Outcome = start(config, self.out, task=task, watcher=Warner(), metric=self._metric)
        found, seed = self.outcome_.task, self.config.seed
        metric = self.outcome_.metric.name
        header = Header.of_task(
            found.name,
            found.kind,
            found.notes,
            metric,
            seed,
            found.num_outputs,
            versions=versions(),
            training=to_settings(self.config)["training"],
        )
        self.candidates_ = _table(self.outcome_.candidates, header)
        self.notes_ = notes_of(self.outcome_, said)
        for sentence in unbeaten(self.outcome_):  # last: a warning may be an error, and all is there by now
            warn(sentence)
        return self

    def _with_seeds(self, task: Task | None) -> tuple[SearchConfig, str]:
        """The configuration with the formulas to start from, and a sentence about them."""
        from symloss.making import with_seeds

        return (
            (self.config, "") if self._start_from is None else with_seeds(self.config, self._start_from, task)
        )

    @property
    def best_(self) -> DiscoveredLoss:
        """The best candidate found by `fit`. Raises NotFittedError before that."""
        if not hasattr(self, "candidates_"):
            raise NotFittedError("this search has found nothing yet; call fit first")
        return self.candidates_[0]

    def __repr__(self) -> str:
        """The settings that are not the default."""
        given = _different(to_settings(self.config), to_settings(SearchConfig()))
        told = [f"{name}={value!r}" for name, value in given.items()]
        told += [] if self._start_from is None else [f"seeds={self._start_from!r}"]
        told += [] if self._metric is None else [f"metric={self._metric!r}"]
        told += [] if self.out is None else [f"out={str(self.out)!r}"]
        return f"LossSearch({', '.join(told)})"

    def _refuse(self, reason: str, *names: str) -> None:
        """Raise ConfigError if one of these settings was given: it would have no effect."""
        for name in names:
            if getattr(self.config, name) != getattr(SearchConfig(), name):
                raise ConfigError(f"setting '{name}' has no effect on fit's data: {reason}; leave it out")

    def _task_from(self, x: Any, y: Any, **given: Any) -> Task:
        """given: what `task_from_arrays` is told of the data."""
        from symloss.making import corruption_of
        from symloss.tasks import task_from_arrays

        c = self.config
        self._refuse("arrays are used whole", "train_size")
        self._refuse("arrays are not augmented", "augment")
        return task_from_arrays(
            x,
            y,
            **given,
            model=c.model or "mlp",
            metric=c.metric,
            data_seed=c.data_seed,
            corruption=corruption_of(c),
        )


def _different(given: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """What of some settings is not as in others, tables of settings likewise."""
    changed = {name: value for name, value in given.items() if value != default[name]}
    tables = {name: value for name, value in changed.items() if isinstance(value, dict)}
    return changed | {name: _different(value, default[name]) for name, value in tables.items()}


def load_run(path: str | Path) -> CandidateTable:
    """The scored candidates of a run folder, best first. Raises RunError if it is none."""
    folder = RunFolder.open(Path(path))
    return _table(folder.candidates(), header_of(folder))


def _table(candidates: Sequence[Candidate], header: Header) -> CandidateTable:
    return CandidateTable([DiscoveredLoss(candidate, header) for candidate in ranked(candidates)])
