"""A loss of the catalogue as a module, by its name and parameters."""

from __future__ import annotations

from symloss.errors import ExpressionError, did_you_mean
from symloss.losses.catalogue import CATALOGUE, catalogued, handcrafted
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind


def named_loss(
    name: str,
    *,
    kind: Kind | None = None,
    reduction: str = "mean",
    learnable: bool = False,
    **parameters: float,
) -> SymbolicLossModule:
    """The published loss called `name`, exactly as its formula says: `named_loss("focal", gamma=1.0)`.

    Args:    kind: chooses where a loss is for several kinds of task; the first of them otherwise.
             reduction, learnable: as in `SymbolicLossModule`, whose shapes are the module's.
             parameters: of the loss, such as gamma; the catalogue's defaults otherwise.
    Raises:  ExpressionError for an unknown name or parameter, and a value out of its range.
    Example: `named_loss("huber", delta=0.5)` is `torch.nn.HuberLoss(delta=0.5)`.
    """
    row = catalogued(name) if kind is None else handcrafted(name, kind)
    if row is None:
        raise ExpressionError(f"unknown loss '{name}': {did_you_mean(name, CATALOGUE)}")
    return SymbolicLossModule(row.with_parameters(**parameters).loss(kind, reduction), learnable)
