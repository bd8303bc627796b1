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
            found = RecordedPass(self._free(parameters, x))
        found.recording.start(parameters, x)
        return found

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
    shapes = tuple((name, value.shape, value.dtype) for name, value in parameters.items())
    exactness = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    return shapes, x.shape, x.dtype, x.device, exactness


@dataclass(frozen=True)
class _Derivative:
    """A recorded function of a pass: where its inputs are written, its result, and how it is replayed."""

    inputs: _Inputs
    result: Any
    replay: Replay


class _Inputs:
    """Tensors at fixed addresses, into which values are written before a replay."""

    def __init__(self, like: Sequence[Tensor]) -> None:
        self.tensors = [torch.empty_like(value, memory_format=torch.contiguous_format) for value in like]
        # The same memory: for autograd, whose record of the pass is kept, writing here changes nothing.
        self._written = [value.data for value in self.tensors]
        self.write(like)

    def write(self, values: Sequence[Tensor]) -> None:
        torch._foreach_copy_(self._written, list(values))


class _Recording:
    """One forward pass, and the derivatives that have been asked of it."""

    def __init__(self, network: Network, recorder: Recorder, parameters: Parameters, x: Tensor) -> None:
        self.form = _form(parameters, x)
        self._recorder = recorder
        self._inputs = _Inputs([*parameters.values(), x])
        *own, inputs = self._inputs.tensors
        stacked = dict(zip(parameters, own, strict=True))
        self._pass: Pass
        self._pass, self._replay = recorder(lambda: network.run(stacked, inputs))
        self._derivatives: dict[tuple[str, int], _Derivative] = {}
        self._user: Callable[[], RecordedPass | None] = lambda: None

    @property
    def in_use(self) -> bool:
        return self._user() is not None

    @property
    def outputs(self) -> Tensor:
        return self._pass.outputs

    def taken_by(self, user: RecordedPass) -> None:
        self._user = weakref.ref(user)

    def start(self, parameters: Parameters, x: Tensor) -> None:
        self._inputs.write([*parameters.values(), x])
        self._replay()

    def derivative(self, name: str, values: Sequence[Tensor], function: Callable[[list[Tensor]], T]) -> T:
        """`function` of values and of the pass; recorded by this name, and by the number of networks."""
        key = name, len(values[0])
        known = self._derivatives.get(key)
        if known is None:
            inputs = _Inputs(values)
            result, replay = self._recorder(lambda: function(inputs.tensors))
            known = self._derivatives[key] = _Derivative(inputs, result, replay)
            self._replay()  # the pass must hold what it held, whatever was done to it while this was recorded
        known.inputs.write(values)
        known.replay()
        found: T = known.result
        return found

    def backward(self, gradient: Tensor) -> Parameters:
        return self.derivative("backward", [gradient], lambda own: self._pass.backward(own[0]))

    def push(self, directions: Parameters) -> Tensor:
        names = list(directions)
        return self.derivative(
            "push", list(directions.values()), lambda own: self._pass.push(dict(zip(names, own, strict=True)))
        )


class RecordedPass:
    """Implements `Pass`. As long as it lives, no other pass uses its recording."""

    def __init__(self, recording: _Recording) -> None:
        self.recording = recording
        self.outputs = recording.outputs
        recording.taken_by(self)

    @torch.no_grad()
    def backward(self, gradient: Tensor) -> Parameters:
        return self.recording.backward(gradient)

    @torch.no_grad()
    def push(self, directions: Parameters) -> Tensor:
        return self.recording.push(directions)
