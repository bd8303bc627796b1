"""No search at all: formulas that somebody has are proposed, to be tuned and trained like any others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symloss.errors import ConfigError
from symloss.expr import Expr
from symloss.records import Candidate, Origin, Proposal


class GivenSearch:
    """Implements `Search`: the first generation is `formulas`, in their order, and later ones are empty.

    Raises ConfigError if there are none.
    """

    def __init__(self, formulas: Sequence[Expr]) -> None:
        if not formulas:
            raise ConfigError(
                "method 'given' tunes and trains formulas of yours: name them with --seeds FILE"
            )
        self._formulas = list(formulas)
        self._asked = 0

    def ask(self) -> list[Proposal]:
        waiting = [] if self._asked else self._formulas
        return [Proposal(i, expr, 0, Origin("given")) for i, expr in enumerate(waiting, start=1)]

    def tell(self, candidates: Sequence[Candidate]) -> None:
        self._asked += len(candidates)

    def state(self) -> Any:
        return {"asked": self._asked}

    def restore(self, state: Any, asked: Iterable[Expr]) -> None:
        self._asked = int(state["asked"])
