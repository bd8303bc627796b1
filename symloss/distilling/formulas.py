"""From a loss that is code to a run of formulas: fitted first, then tuned and trained like any other.

The fit says which formulas look like the loss; training says which of them do its work. What comes out is an
ordinary run folder, whose `run.json` also says what was fitted, and how well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from symloss.config import SearchConfig
from symloss.errors import ExpressionError
from symloss.expr import print_expression
from symloss.fitting.constants import Fitted
from symloss.fitting.genetic import FitSettings, fit_formulas
from symloss.fitting.samples import Of
from symloss.fitting.sources import Teacher
from symloss.grammar import load_grammar
from symloss.records import Kind
from symloss.run import Outcome, start
from symloss.tasks import Task
from symloss.watching import Watcher

DEFAULT_GRAMMARS = {
    Kind.MULTICLASS: "probability",
    Kind.BINARY: "probability",
    Kind.REGRESSION: "residual",
}


@dataclass(frozen=True)
class Distilled:
    """The front of size against error, and the formula of it that was chosen for being nearly the best."""

    teacher: Teacher
    front: tuple[Fitted, ...]
    chosen: Fitted
    engine: str
    of: Of
    grammar: str

    def record(self) -> dict[str, Any]:
        """What a run says about where its formulas come from."""
        rows = [
            {"size": f.size, "error": f.error, "expression": print_expression(f.expression)}
            for f in self.front
        ]
        return {
            "source": self.teacher.name,
            "progress": self.teacher.progress,
            "fitted": self.of,
            "engine": self.engine,
            "chosen": print_expression(self.chosen.expression),
            "front": rows,
        }


def distil(
    teacher: Teacher,
    source: str,
    settings: FitSettings,
    of: Of = "value",
    engine: str = "deap",
    tick: Callable[[str], None] = lambda line: None,
) -> Distilled:
    """Fit formulas of a grammar, by its name or path, to a loss.

    Raises ExpressionError if none fits better than a constant.
    """
    samples, grammar = teacher.samples(of), load_grammar(source)
    if engine == "pysr":
        from symloss.fitting.pysr_engine import fit_with_pysr

        front = fit_with_pysr(samples, grammar, settings, tick)
    else:
        front = fit_formulas(samples, grammar, teacher.kind, settings, tick)
    chosen = front.chosen()
    if chosen is None:
        raise ExpressionError(
            f"no formula of grammar '{grammar.name}' fits {teacher.name} better than a constant; choose "
            "another --grammar, a larger --size, or more --seconds"
        )
    return Distilled(teacher, tuple(front.members()), chosen, engine, of, source)


def trained(
    distilled: Distilled,
    config: SearchConfig,
    out: Path,
    worst: float,
    *,
    task: Task | None = None,
    watcher: Watcher | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Tune and train the formulas of a front, as a run of its own in the folder `out`.

    worst: formulas of a larger error are left out, but for the best one.
    """
    kept = [f for f in distilled.front if f.error <= worst] or [distilled.front[-1]]
    config = msgspec.structs.replace(
        config,
        grammar=distilled.grammar,
        method="given",
        seeds=tuple(print_expression(f.expression) for f in kept),
        population=len(kept),
        generations=1,
    )
    return start(config, out, task=task, watcher=watcher, stop=stop, facts={"distilled": distilled.record()})
