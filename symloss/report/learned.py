"""What a learned loss does over training: its surface, and what learning rate and smoothing it implies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symloss.escaping import on_one_line
from symloss.losses.neural.network import LossNetwork
from symloss.records import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 201


@dataclass(frozen=True)
class Moment:
    """A learned loss at one step.

    predictions: of the curves. curves: the loss of each by target, up to a constant: least value 0.
    learning_rate: how hard the loss pushes an untrained network, as a multiple of the usual loss's push.
    smoothing:   the label smoothing whose loss holds the true class at the same probability; 0 where the loss
                 never stops pushing it up, None for regression, and where it never begins to.
    """

    step: int
    progress: float
    predictions: tuple[float, ...]
    curves: dict[str, tuple[float, ...]]
    learning_rate: float
    smoothing: float | None


@dataclass(frozen=True)
class Elementwise:
    """A loss of pairs of prediction and target, in tensors of one shape.

    share: what the value of a class counts for in the loss of a sample: 1, or one over the number of classes.
    """

    kind: Kind
    per_element: Callable[[Tensor, Tensor], Tensor]
    share: float = 1.0

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The derivative by the prediction, of its shape."""
        prediction = prediction.detach().requires_grad_()
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self.per_element(prediction, target).sum(), prediction)
        return found


def elementwise(network: LossNetwork, num_outputs: int) -> Elementwise:
    """A loss network in double precision."""
    network = LossNetwork.of(network.weights.detach().double(), network.kind, network.settings)
    averaged = network.kind is Kind.MULTICLASS and network.settings.classes == "mean"
    return Elementwise(network.kind, network.per_element, 1.0 / num_outputs if averaged else 1.0)


def moment(loss: Elementwise, num_outputs: int, step: int, progress: float) -> Moment:
    """A loss as it is at a step."""
    if loss.kind is Kind.REGRESSION:
        along = torch.linspace(-3.0, 3.0, POINTS, dtype=torch.float64)
        curves = {"y = 0": _curve(loss, along, 0.0), "y = 1": _curve(loss, along, 1.0)}
        return Moment(step, progress, tuple(along.tolist()), curves, _rate_of_values(loss), None)
    along = torch.linspace(0.0, 1.0, POINTS, dtype=torch.float64)
    curves = {"y = 1": _curve(loss, along, 1.0), "y = 0": _curve(loss, along, 0.0)}
    classes = num_outputs if loss.kind is Kind.MULTICLASS else 2
    rate = float(_push(loss, torch.tensor([1.0 / classes], dtype=torch.float64), classes))
    usual = 1.0 - 1.0 / classes
    smoothing = _smoothing(loss, classes)
    return Moment(step, progress, tuple(along.tolist()), curves, rate / usual, smoothing)


def _curve(loss: Elementwise, along: Tensor, target: float) -> tuple[float, ...]:
    with torch.no_grad():
        values = loss.per_element(along[:, None], torch.full_like(along, target)[:, None]).flatten()
    return tuple((values - values.min()).tolist())


def _push(loss: Elementwise, true: Tensor, classes: int) -> Tensor:
    """How hard the output of the true class is pushed up, where the others share the rest: (n,)."""
    slope_true = loss.slope(true[:, None], torch.ones(len(true), 1, dtype=true.dtype)).flatten()
    if loss.kind is Kind.BINARY:
        return -slope_true * true * (1.0 - true)
    rest = (1.0 - true) / (classes - 1)
    slope_rest = loss.slope(rest[:, None], torch.zeros(len(true), 1, dtype=true.dtype)).flatten()
    # Through softmax: p (mean slope - own slope), with the mean weighted by probability.
    return true * (1.0 - true) * (slope_rest - slope_true) * loss.share


def _smoothing(loss: Elementwise, classes: int) -> float | None:
    """From the probability at which the push on the true class first ends, going up from 1/C."""
    first = 1.0 / classes
    along = first + (1.0 - first) * torch.linspace(0.0, 1.0, 4001, dtype=torch.float64)[:-1]
    push = _push(loss, along, classes)
    if push[0] <= 0:
        return None
    ended = (push <= 0).nonzero()
    if not len(ended):
        return 0.0
    held = float(along[int(ended[0])])
    return (1.0 - held) * classes / (classes - 1)


def _rate_of_values(loss: Elementwise) -> float:
    """The root mean square of slopes over that of the squared error's, for residuals from -1 to 1."""
    target = torch.linspace(-1.0, 1.0, 41, dtype=torch.float64)[:, None]
    prediction = torch.zeros_like(target)
    slopes, usual = loss.slope(prediction, target), 2.0 * (prediction - target)
    return math.sqrt(float(slopes.square().mean() / usual.square().mean()))


def draw_surface(moments: Sequence[Moment], name: str) -> Figure:
    """A figure: the curves at several steps, and what they imply over all of training."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from symloss.report.analysis.figure import BLUE, ORANGE, STYLE

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 2.9), layout="constrained", dpi=200)
        panels = figure.subplots(1, 3 if len(moments) > 1 else 2)
        colours = mpl.colormaps["viridis"]
        shown = [moments[round(i * (len(moments) - 1) / 5)] for i in range(6)]
        for panel, label in zip(panels[:2], moments[0].curves, strict=True):
            for own in dict.fromkeys(m.step for m in shown):
                at = next(m for m in moments if m.step == own)
                colour = colours(0.9 * at.progress)
                panel.plot(at.predictions, at.curves[label], color=colour, label=f"step {at.step}")
            panel.set(title=f"{_drawn(name)}: loss for {label}", xlabel="prediction")
        panels[0].legend()
        if len(moments) == 1:
            return figure
        steps = [own.step for own in moments]
        panels[2].plot(
            steps, [own.learning_rate for own in moments], color=BLUE, label="learning rate, times"
        )
        if moments[0].smoothing is not None or moments[-1].smoothing is not None:
            smoothing = [math.nan if m.smoothing is None else m.smoothing for m in moments]
            panels[2].plot(steps, smoothing, "--", color=ORANGE, label="label smoothing")
        panels[2].set(title="implied", xlabel="step")
        panels[2].legend()
    return figure


def _drawn(name: str) -> str:
    """A name as matplotlib draws it: a dollar sign would begin a formula."""
    return on_one_line(name).replace("$", r"\$")


def draw_moment(moments: Sequence[Moment], number: int, name: str) -> Figure:
    """One frame of the animation: the curves at one step, on the axes of all."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from symloss.report.analysis.figure import BLUE, ORANGE, STYLE

    at = moments[number]
    highest = max(max(curve) for own in moments for curve in own.curves.values())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 3.2), layout="constrained", dpi=100)
        panel = figure.subplots()
        for (label, curve), colour, line in zip(at.curves.items(), (BLUE, ORANGE), ("-", "--"), strict=True):
            panel.plot(at.predictions, curve, line, color=colour, label=label)
        panel.set(xlabel="prediction", ylabel="loss, up to a constant", ylim=(0.0, 1.05 * highest or 1.0))
        panel.set_title(f"{_drawn(name)}, step {at.step}")
        panel.legend(loc="upper center")
    return figure
