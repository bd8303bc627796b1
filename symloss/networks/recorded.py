"""Passes of networks that are recorded once and then replayed, without a call for each of their operations.

On a CUDA device small networks are bound by the launching of kernels. A pass that always does the same to
tensors at the same addresses can be launched as one graph instead; see `cuda_graphs` for what records it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from symloss.networks.network import Network, Parameters, Pass

T = TypeVar("T")

Replay = Callable[[], None]


class Recorder(Protocol):
    """How a function of tensors is recorded."""

    def __call__(self, function: Callable[[], T]) -> tuple[T, Replay]:
        """What `function` returns, and what computes it anew, in place, from what its inputs hold by then.

        The function may be called several times. What it returned counts after the first replay.
        """


KEPT = 8
"""Recorded passes that are kept, each for one form of parameters and inputs; they hold memory."""

STEP = 8
"""Passes are recorded for multiples of so many networks; the others are computed in vain.

The candidates that are left after filters are another number in every generation, and recording takes as long
as some hundred steps.
"""


class Recorded:
    """A network whose passes are recorded. Implements `Network`; gives what that network gives.

    network:  one that draws nothing and keeps nothing from pass to pass, such as a chain, or a traced network
              without buffers.
    recorder: how; it is called once for each form of parameters, inputs and gradients.

    Results stand in memory that is used again: what a pass returns may be overwritten when the same is asked
    of it again, and once it is gone by another pass.
    """

    def __init__(self, network: Network, recorder: Recorder) -> None:
        self.name = network.name
        self._network, self._recorder = network, recorder
        self._recordings: list[_Recording] = []  # the one used last is the last
        self._lock = threading.Lock()

    @torch.no_grad()
    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self._network.outputs(parameters, x)

    @torch.no_grad()
    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> RecordedPass:
        with self._lock:
            return RecordedPass(self._free(parameters, x), parameters, x)

    def keep(self, rows: Tensor) -> Recorded:
        return self

    def _free(self, parameters: Parameters, x: Tensor) -> _Recording:
        """A recording of this form that no other pass uses, made if there is none."""
        form = _form(parameters, x)
        free = (own for own in self._recordings if own.form == form and not own.in_use)
        recording = next(free, None)
        if recording is None:
            recording = _Recording(self._network, self._recorder, parameters, x)
        else:
            self._recordings.remove(recording)
        self._recordings = [*self._recordings, recording][-KEPT:]
        return recording


def _form(parameters: Parameters, x: Tensor) -> tuple[Any, ...]:
    """What a recording is good for: shapes, and the flags that decide which kernels are launched."""
    shapes = tuple((name, _padded(len(v)), v.shape[1:], v.dtype) for name, v in parameters.items())
    exactness = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return shapes, x.shape, x.dtype, x.device, exactness


def _padded(count: int) -> int:
    """For how many networks a pass of so many is recorded; one may stand for all and is left alone."""
    return count if count == 1 else -(-count // STEP) * STEP


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

    def __init__(self, network: Network, recorder: Recorder, parameters: Parameters, x: Tensor) -> None:
        self.form = _form(parameters, x)
        self._recorder = recorder
        self._parameters, self._x = _Stacked(list(parameters.values())), x.clone()
        stacked = dict(zip(parameters, self._parameters.tensors, strict=True))
        self._pass: Pass
        self._pass, self._replay = recorder(lambda: network.run(stacked, self._x))
        self._derivatives: dict[tuple[str, int], _Derivative] = {}
        self._user: Callable[[], RecordedPass | None] = lambda: None

    @property
    def in_use(self) -> bool:
        return self._user() is not None

    def start(self, user: RecordedPass, parameters: Parameters, x: Tensor) -> Tensor:
        """The outputs of a pass, which is `user`'s until that is gone."""
        self._user = weakref.ref(user)
        self._parameters.write(list(parameters.values()))
        self._x.data.copy_(x)  # not a change for autograd either
        self._replay()
        return self._pass.outputs[: len(next(iter(parameters.values())))]

    def backward(self, gradient: Tensor) -> Parameters:
        names = self.form[0]

        def function(gradients: list[Tensor]) -> list[Tensor]:
            found = self._pass.backward(gradients[0])
            return [found[name] for name, *_ in names]

        slopes = self._derived("backward", [gradient], function)
        return {name: slope for (name, *_), slope in zip(names, slopes, strict=True)}

    def push(self, directions: Parameters) -> Tensor:
        names = list(directions)

        def function(values: list[Tensor]) -> list[Tensor]:
            return [self._pass.push(dict(zip(names, values, strict=True)))]

        return self._derived("push", list(directions.values()), function)[0]

    def _derived(
        self, name: str, values: Sequence[Tensor], function: Callable[[list[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """`function` of stacked values, which may use the pass; recorded once for each padded number."""
        count = len(values[0])
        key = name, _padded(count)
        known = self._derivatives.get(key)
        if known is None:
            inputs = _Stacked(values)
            known = _Derivative(inputs, *self._recorder(lambda: function(inputs.tensors)))
            self._derivatives[key] = known
            self._replay()  # the pass must hold what it held, whatever was done to it while this was recorded
        known.inputs.write(values)
        known.replay()
        return [result[:count] for result in known.results]


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
