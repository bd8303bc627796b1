"""Passes of networks that are recorded once and then replayed, without a call for each of their operations.

On a CUDA device small networks are bound by the launching of kernels. A pass that always does the same to
tensors at the same addresses can be launched as one graph instead; `cuda` has what records it.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from symloss.errors import SymlossWarning
from symloss.networks.network import Network, Parameters, Pass

T = TypeVar("T")

Replay = Callable[[], None]


class Recorder(Protocol):
    """How a function of tensors is recorded."""

    def __call__(self, function: Callable[[], T]) -> tuple[T, Replay]:
        """What `function` returns, and what computes it anew, in place, from what its inputs hold by then.

        The function may be called several times. What it returned counts after the first replay.
        """


KEPT = 12
"""Recorded passes that are kept, of all networks of a process; they hold memory."""

STEP = 8
"""Passes are recorded for a multiple of so many networks; the others are computed in vain.

The candidates that are left after filters are another number in every generation, and recording takes as long
as some hundred steps.
"""


class Recorded:
    """A network whose passes are recorded. Implements `Network`; gives what that network gives.

    network:  one that draws nothing and keeps nothing from pass to pass, such as a chain, or a traced network
              without buffers.
    recorder: how; it is called once for each form of parameters, inputs and gradients.

    Where it fails, for want of memory or whatever reason, the network goes on without being recorded.
    Results stand in memory that is used again: what a pass returns may be overwritten when the same is asked
    of it again, and once it is gone by another pass.
    Warns: SymlossWarning, once, if recording fails.
    """

    def __init__(self, network: Network, recorder: Recorder) -> None:
        self.name = network.name
        self._network, self._recorder = network, recorder
        self.failed = False

    @torch.no_grad()
    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self._network.outputs(parameters, x)

    @torch.no_grad()
    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> Pass:
        with _LOCK:
            recording = None if self.failed else self._free(parameters, x)
            if recording is not None:
                return RecordedPass(recording, parameters, x)
        return self._network.run(parameters, x, seed)

    def keep(self, rows: Tensor) -> Recorded:
        return self

    def record(self, function: Callable[[], T]) -> tuple[T, Replay] | None:
        """The function recorded, or None if that fails, now and from then on."""
        try:
            return self._recorder(function)
        except RuntimeError as error:
            _KEPT[:] = [own for own in _KEPT if own.owner is not self]
            self.failed = True
            why = " ".join(str(error).split())
            warnings.warn(f"CUDA graphs are not used: recording failed ({why})", SymlossWarning, stacklevel=2)
            return None

    def _free(self, parameters: Parameters, x: Tensor) -> _Recording | None:
        """A recording of this form that no other pass uses, made if there is none; None if that fails."""
        form = _form(parameters, x)
        free = (own for own in _KEPT if own.owner is self and own.form == form and not own.in_use)
        recording = next(free, None)
        if recording is None:
            recording = _Recording.made(self, self._network, parameters, x)
        else:
            _KEPT.remove(recording)
        if recording is not None:
            _KEPT[:] = [*_KEPT, recording][-KEPT:]
        return recording


def _form(parameters: Parameters, x: Tensor) -> tuple[Any, ...]:
    """What a recording is good for: shapes, and the flags that decide which kernels are launched."""
    shapes = tuple((name, _padded(len(v)), v.shape[1:], v.dtype) for name, v in parameters.items())
    exactness = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return shapes, x.shape, x.dtype, x.device, exactness


def _padded(count: int) -> int:
    """For how many networks a pass of so many is recorded; one may stand for all and is left alone."""
    if count == 1:
        return 1
    quarter = 1 << max((count - 1).bit_length() - 2, 0)  # few forms of many networks, up to half larger
    step = max(STEP, quarter)
    return -(-count // step) * step


class _Stacked:
    """Stacked tensors at fixed addresses, into whose first rows values are written before a replay."""

    def __init__(self, like: Sequence[Tensor]) -> None:
        self.tensors = [v.new_zeros(_padded(len(v)), *v.shape[1:]) for v in like]
        # The same memory: for autograd, whose record of the pass is kept, writing here changes nothing.
        self._memory = [value.data for value in self.tensors]
        self.write(like)

    def write(self, values: Sequence[Tensor]) -> None:
        count = len(values[0])
        torch._foreach_copy_([own[:count] for own in self._memory], list(values))


@dataclass(frozen=True)
class _Derivative:
    """A recorded function of a pass: where its inputs are written, its results, and how it is replayed."""

    inputs: _Stacked
    results: list[Tensor]
    replay: Replay


class _Recording:
    """One forward pass, and the derivatives that have been asked of it."""

    def __init__(self, owner: Recorded, form: tuple[Any, ...], inputs: _Stacked, x: Tensor) -> None:
        self.owner, self.form = owner, form
        self._parameters, self._x = inputs, x
        self._pass: Pass
        self._replay: Replay
        self._derivatives: dict[tuple[str, int], _Derivative] = {}
        self._user: Callable[[], RecordedPass | None] = lambda: None

    @classmethod
    def made(cls, owner: Recorded, network: Network, parameters: Parameters, x: Tensor) -> _Recording | None:
        """A new one, or None if recording fails."""
        made = cls(owner, _form(parameters, x), _Stacked(list(parameters.values())), x.clone())
        stacked = dict(zip(parameters, made._parameters.tensors, strict=True))
        recorded = owner.record(lambda: network.run(stacked, made._x))
        if recorded is None:
            return None
        made._pass, made._replay = recorded
        return made

    @property
    def in_use(self) -> bool:
        return self._user() is not None

    @property
    def _names(self) -> list[str]:
        return [name for name, *_ in self.form[0]]

    def start(self, user: RecordedPass, parameters: Parameters, x: Tensor) -> Tensor:
        """The outputs of a pass, which is `user`'s until that is gone."""
        self._user = weakref.ref(user)
        self._parameters.write([parameters[name] for name in self._names])
        self._x.data.copy_(x)  # not a change for autograd either
        self._replay()
        return self._pass.outputs[: len(next(iter(parameters.values())))]

    def backward(self, gradient: Tensor) -> Parameters:
        def function(gradients: list[Tensor]) -> list[Tensor]:
            found = self._pass.backward(gradients[0])
            return [found[name] for name in self._names]

        slopes = self._derived("backward", [gradient], function)
        return dict(zip(self._names, slopes, strict=True))

    def push(self, directions: Parameters) -> Tensor:
        def function(values: list[Tensor]) -> list[Tensor]:
            return [self._pass.push(dict(zip(self._names, values, strict=True)))]

        return self._derived("push", [directions[name] for name in self._names], function)[0]

    def _derived(
        self, name: str, values: Sequence[Tensor], function: Callable[[list[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """`function` of stacked values, which may use the pass; recorded once for each padded number."""
        count = len(values[0])
        key = name, _padded(count)
        known = self._derivatives.get(key)
        if known is None:
            inputs = _Stacked(values)
            recorded = None if self.owner.failed else self.owner.record(lambda: function(inputs.tensors))
            self._replay()  # the pass must hold what it held, whatever was done to it while this was recorded
            if recorded is None:
                return [result[:count] for result in function(inputs.tensors)]
            known = self._derivatives[key] = _Derivative(inputs, *recorded)
        known.inputs.write(values)
        known.replay()
        return [result[:count] for result in known.results]


_KEPT: list[_Recording] = []
"""Those used last, the last at the end."""

_LOCK = threading.RLock()


class RecordedPass:
    """Implements `Pass`. As long as it lives, no other pass uses its recording."""

    def __init__(self, recording: _Recording, parameters: Parameters, x: Tensor) -> None:
        self._recording = recording
        self.outputs = recording.start(self, parameters, x)

    @torch.no_grad()
    def backward(self, gradient: Tensor) -> Parameters:
        return self._recording.backward(gradient)

    @torch.no_grad()
    def push(self, directions: Parameters) -> Tensor:
        return self._recording.push(directions)
