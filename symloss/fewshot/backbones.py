"""Networks for few-shot tasks, called with their parameters as arguments.

A module here only says how its parameters are used: `torch.func.functional_call` gives it those of a task.
Batch normalisation always takes the statistics of the batch that it is given, and keeps none.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss.errors import TaskError
from symloss.fewshot.settings import BLOCKS
from symloss.fewshot.settings import Network as NetworkSettings

SMALL = 0.01
"""Deviation of weights that start near zero: FiLM's, the cone's, and those of loss networks."""

RESNET12 = (64, 128, 256, 512)
EPSILON = 1e-5
"""Added to variances, as torch's batch normalisation does."""

HIDDEN = 40
"""Width of the perceptron, as in MAML's regression of sinusoids."""


def small_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with weights from N(0, 0.01^2) and no bias to start with."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=SMALL)
    nn.init.zeros_(layer.bias)
    return layer


class Film(nn.Module):
    """Feature-wise scales and shifts (1 + gamma(s)) x + beta(s), where s is the average of a layer's input.

    x (n, outputs, ...), source (n, inputs, ...); averaged are all places of an image.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = small_linear(inputs, 2 * outputs)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        gamma, beta = self.linear(source.flatten(2).mean(2) if source.dim() > 2 else source).chunk(2, dim=1)
        places = gamma.shape + (1,) * (x.dim() - 2)
        found: Tensor = (1 + gamma.reshape(places)) * x + beta.reshape(places)
        return found


def normalised(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Batch normalisation of (n, channels, height, width) by the statistics of the batch.

    Torch's own takes a fraction of the time, and is used where nobody asks for derivatives. Where vmap
    batches its scale too, its second derivatives come out wrong, by several percent (torch 2.13; alone, or
    with autograd in place of vmap, they are right).
    """
    several = x.numel() > x.shape[1]  # numbers of a channel: torch refuses a single one
    if several and not torch.is_grad_enabled():
        return functional.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
    apart = x - x.mean((0, 2, 3), keepdim=True)
    spread = apart.square().mean((0, 2, 3), keepdim=True)
    return apart * torch.rsqrt(spread + EPSILON) * scale[:, None, None] + shift[:, None, None]


class Unit(nn.Module):
    """A linear map, its normalisation, and FiLM where wanted. No nonlinearity.

    identity: start as the map that changes nothing, before normalisation.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int | None, film: bool, identity: bool = False
    ) -> None:
        """size: of the filters; None for a map of vectors, which is not normalised."""
        super().__init__()
        self.map: nn.Conv2d | nn.Linear
        if size is None:
            self.map = nn.Linear(inputs, outputs)
        else:
            self.map = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
            nn.init.kaiming_normal_(self.map.weight, nonlinearity="relu")
            self.scale, self.shift = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))
        if identity:
            (nn.init.eye_ if size is None else nn.init.dirac_)(self.map.weight)
            if self.map.bias is not None:
                nn.init.zeros_(self.map.bias)
        self.film = Film(inputs, outputs) if film else None

    def forward(self, x: Tensor) -> Tensor:
        found = cast(Tensor, self.map(x))
        if isinstance(self.map, nn.Conv2d):
            found = normalised(found, self.scale, self.shift)
        return cast(Tensor, found if self.film is None else self.film(found, x))


class Plain(nn.Module):
    """A unit and ReLU; for images, then the largest of each 2 by 2 places."""

    def __init__(self, inputs: int, outputs: int, film: bool, image: bool) -> None:
        super().__init__()
        self.unit, self.image = Unit(inputs, outputs, 3 if image else None, film), image

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.unit(x))
        return functional.max_pool2d(x, 2) if self.image else x


class Residual(nn.Module):
    """Three units with a fourth, of single places, around them; ReLU; the largest of each 2 by 2 places."""

    def __init__(self, inputs: int, outputs: int, film: bool) -> None:
        super().__init__()
        widths = [inputs, outputs, outputs, outputs]
        self.units = nn.ModuleList(Unit(widths[i], outputs, 3, film) for i in range(3))
        self.skip = Unit(inputs, outputs, 1, film)

    def forward(self, x: Tensor) -> Tensor:
        found = self.units[1](functional.relu(self.units[0](x)))
        found = self.units[2](functional.relu(found)) + self.skip(x)
        return functional.max_pool2d(functional.relu(found), 2)


class Backbone(nn.Module):
    """Blocks, the later ones followed by warp layers where wanted, and the average over places.

    Its parameters are named `blocks.<i>...` and `warps.<i>...`.
    """

    def __init__(self, shape: tuple[int, ...], settings: NetworkSettings) -> None:
        """shape: of one input. Raises TaskError if it does not suit the backbone."""
        super().__init__()
        _check(shape, settings.backbone)
        self.frozen, count = settings.frozen, BLOCKS[settings.backbone]
        widths = [shape[0], *_widths(settings)]
        self.width = widths[-1]
        self.blocks, self.warps = nn.ModuleList(), nn.ModuleDict()
        for i in range(count):
            film = settings.film and i >= settings.frozen
            self.blocks.append(_block(settings.backbone, widths[i], widths[i + 1], film))
            if settings.warp and i >= settings.frozen:
                size = None if settings.backbone == "mlp" else 3
                self.warps[str(i)] = Unit(widths[i + 1], widths[i + 1], size, settings.film, identity=True)

    def forward(self, x: Tensor, begin: int = 0, end: int | None = None) -> Tensor:
        """Blocks from `begin` to before `end`; to the last one without it, and then features (n, width)."""
        for i in range(begin, len(self.blocks) if end is None else end):
            x = self.blocks[i](x)
            if str(i) in self.warps:
                x = self.warps[str(i)](x)
        return x.flatten(2).mean(2) if end is None and x.dim() > 2 else x


def _widths(settings: NetworkSettings) -> list[int]:
    if settings.backbone == "resnet12":
        return list(RESNET12)
    return [HIDDEN] * 2 if settings.backbone == "mlp" else [settings.filters] * 4


def _block(backbone: str, inputs: int, outputs: int, film: bool) -> nn.Module:
    if backbone == "resnet12":
        return Residual(inputs, outputs, film)
    return Plain(inputs, outputs, film, image=backbone == "conv4")


def _check(shape: tuple[int, ...], backbone: str) -> None:
    if backbone == "mlp" and len(shape) != 1:
        raise TaskError(
            f"inputs have shape {shape}, but the backbone mlp takes vectors; use conv4 or resnet12"
        )
    if backbone != "mlp" and (len(shape) != 3 or min(shape[1:]) < 16):
        raise TaskError(
            f"inputs have shape {shape}, but {backbone} takes images (channels, height, width) of at least "
            "16 by 16; use the backbone mlp for vectors"
        )
