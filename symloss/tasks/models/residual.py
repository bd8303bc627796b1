"""Residual networks for images of about 32x32 pixels: ResNet-18, PreResNet-18, wide ones, and PyramidNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss.tasks.models.convolutional import kaiming
from symloss.tasks.models.plain import Shape

STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Channels and stride of the blocks of the networks with 18 layers."""


class Block(nn.Module):
    """Two 3x3 convolutions, each followed by normalisation, and a sum with the input (He et al. 2016a)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            projection = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        found = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(found)) + self.shortcut(x))


class EarlyBlock(nn.Module):
    """Normalisation and ReLU before each of two 3x3 convolutions (He et al. 2016b)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or channels != width:
            self.shortcut = nn.Conv2d(channels, width, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        early = torch.relu(self.first_norm(x))
        beside = x if self.shortcut is None else self.shortcut(early)
        return torch.add(self.second(torch.relu(self.second_norm(self.first(early)))), beside)


class PyramidBlock(nn.Module):
    """Normalisation around two 3x3 convolutions; channels that are missing are zeros (Han et al. 2017)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.missing = stride, width - channels
        self.first_norm = nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.third_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        found = self.first(self.first_norm(x))
        beside = functional.avg_pool2d(x, 2, ceil_mode=True) if self.stride == 2 else x
        beside = functional.pad(beside, (0, 0, 0, 0, 0, self.missing))
        found = self.third_norm(self.second(torch.relu(self.second_norm(found))))
        return torch.add(found, beside)


def _headed(layers: Sequence[nn.Module], width: int, num_outputs: int) -> nn.Module:
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_outputs)]
    return kaiming(nn.Sequential(*layers, *pooled))


def resnet18(input_shape: Shape, num_outputs: int) -> nn.Module:
    """ResNet-18 with a 3x3 convolution at the start and no pool, as is usual for CIFAR."""
    layers: list[nn.Module] = [
        nn.Conv2d(input_shape[0], 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
    ]
    channels = 64
    for width, stride in STAGES:
        layers.append(Block(channels, width, stride))
        channels = width
    return _headed(layers, channels, num_outputs)


def preresnet18(input_shape: Shape, num_outputs: int) -> nn.Module:
    """The same with early normalisation; none after the last block, as in EvoMAL."""
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], 64, 3, padding=1, bias=False)]
    channels = 64
    for width, stride in STAGES:
        layers.append(EarlyBlock(channels, width, stride))
        channels = width
    return _headed(layers, channels, num_outputs)


def wide_resnet(depth: int, factor: int, input_shape: Shape, num_outputs: int) -> nn.Module:
    """Wide residual network of a depth 6n + 4, without dropout (Zagoruyko and Komodakis 2016)."""
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False)]
    channels = 16
    for stage, width in enumerate((16 * factor, 32 * factor, 64 * factor)):
        for block in range((depth - 4) // 6):
            layers.append(EarlyBlock(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    return _headed([*layers, nn.BatchNorm2d(channels), nn.ReLU()], channels, num_outputs)


def pyramidnet(depth: int, alpha: int, input_shape: Shape, num_outputs: int) -> nn.Module:
    """PyramidNet of basic blocks: every block is wider than the one before by alpha / number of blocks."""
    blocks = (depth - 2) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
    ]
    channels = 16
    for block in range(blocks):
        width = int(16 + alpha * (block + 1) / blocks + 1e-9)
        layers.append(PyramidBlock(channels, width, 2 if block in (blocks // 3, 2 * blocks // 3) else 1))
        channels = width
    return _headed([*layers, nn.BatchNorm2d(channels), nn.ReLU()], channels, num_outputs)
