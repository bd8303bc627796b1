"""An exported loss as an object: the module of the file that `symloss export` would write, without the file.

Its code is made from the formula alone, has passed the check of an exported file, and then runs here.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import Any, ClassVar

from torch import nn

from symloss.errors import ExportError
from symloss.export.forms import careful_form, plain_form
from symloss.export.header import Header
from symloss.export.pytorch import emit_torch
from symloss.export.runner import load
from symloss.export.targets import target_named
from symloss.expr import format_formula
from symloss.records import SymbolicLoss


class TorchLoss(nn.Module):
    """What the module of an exported file knows beside what it computes. Made by `torch_module`.

    symbolic: the loss that it was made from. learnable: whether its constants are a parameter.
    """

    symbolic: ClassVar[SymbolicLoss]
    learnable: ClassVar[bool]
    careful: ClassVar[bool]
    reduction: str

    def to_symbolic(self) -> SymbolicLoss:
        """The loss as a value again, with the reduction and the constants as they are now."""
        from symloss.export.read import with_values

        loss = replace(self.symbolic, reduction=self.reduction)
        constants = getattr(self, "constants", None)
        return loss if constants is None else with_values(loss, constants.detach().double().tolist())

    def extra_repr(self) -> str:
        return (
            f"{format_formula(self.to_symbolic().expression)}, {self.symbolic.kind.value}, {self.reduction}"
        )

    def _repr_latex_(self) -> str:
        from symloss.export.latex import formula

        return f"${formula(self.to_symbolic())}$"

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickles and copies: the code is made anew from the formula."""
        return _blank, (self.symbolic, self.learnable, self.careful), self.__dict__.copy()


def torch_module(loss: SymbolicLoss, learnable: bool = False, **options: Any) -> TorchLoss:
    """The module `Loss` of the PyTorch file of a loss, with torch's own conventions.

    learnable: make the constants a parameter. options: those of the module: `weight`, `reduction`, which is
    the loss's unless told otherwise, and `ignore_index` for several classes.
    The code is checked as before an export, which takes seconds the first time.
    Raises ExportError if it does not compute the loss, or has no such option.
    """
    made = _class_of(loss, learnable, _is_careful(loss, learnable))
    known = list(inspect.signature(made).parameters)
    for name in options:
        if name not in known:
            raise ExportError(
                f"the module of a {loss.kind.value} loss has no option '{name}', its options are "
                f"{', '.join(known)}; leave it out"
            )
    return made(**options)


@functools.lru_cache(maxsize=256)
def _is_careful(loss: SymbolicLoss, learnable: bool) -> bool:
    """Whether the exported code is the careful form. Raises ExportError if no form passes the check."""
    from symloss.export.write import verified_form

    return verified_form(loss, target_named("torch"), learnable)[0].careful


@functools.lru_cache(maxsize=256)
def _class_of(loss: SymbolicLoss, learnable: bool, careful: bool) -> type[TorchLoss]:
    form = (careful_form if careful else plain_form)(loss, learnable)
    written = load(emit_torch(form, Header()), "symloss_exported").Loss
    known = {"symbolic": loss, "learnable": learnable, "careful": careful, "__doc__": written.__doc__}
    return type("Loss", (TorchLoss, written), {**known, "__module__": __name__})


def _blank(loss: SymbolicLoss, learnable: bool, careful: bool) -> TorchLoss:
    """A module that is about to be given its state, of code that was checked when it was first made."""
    kind = _class_of(loss, learnable, careful)
    return kind.__new__(kind)
