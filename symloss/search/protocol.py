"""What every way of searching offers: it proposes formulas, and is told how they scored.

A search knows nothing about training. It is asked and told by the run, which alone knows both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from symloss.expr import Expr
from symloss.records import Candidate, Proposal


class Search(Protocol):
    """Ask for proposals, tell their scores, and repeat. A generation is one ask and one tell.

    The same seed and the same answers give the same proposals, in any process. `state` is plain JSON
    data that does not grow with the generations; a new search that has been given it with `restore` goes
    on as the old one would have.
    """

    def ask(self) -> list[Proposal]:
        """The next generation of proposals."""

    def tell(self, candidates: Sequence[Candidate]) -> None:
        """The scores of all proposals of the last `ask`, in any order."""

    def state(self) -> Any:
        """Everything needed to go on after the last `tell`, as JSON data."""

    def restore(self, state: Any, asked: Iterable[Expr]) -> None:
        """Go on from `state`, which was taken when `asked` were all formulas proposed so far."""
