"""Convolutional networks for images of about 32x32 pixels, as EvoMAL uses them; layers one after another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symloss.tasks.models.plain import Shape


def kaiming(network: nn.Module) -> nn.Module:
    """The network with its convolutions initialised for ReLU (He et al. 2015).

    Linear layers keep torch's own start: the last one would give outputs so large that softmax is saturated.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def alexnet(input_shape: Shape, num_outputs: int) -> nn.Module:
    """AlexNet for small images: five convolutions, three max-pools, 1024-4096-4096-outputs at 32x32 pixels.

    Krizhevsky et al. 2012, with the kernels that are usual for CIFAR; no dropout, as in EvoMAL.
    """
    channels, height, width = input_shape
    height, width = _halved(height, width, 4)
    return kaiming(
        nn.Sequential(
            nn.Conv2d(channels, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 192, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(256 * height * width, 4096),
            nn.ReLU(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_outputs),
        )
    )


def _halved(height: int, width: int, times: int) -> tuple[int, int]:
    """The size of images after a convolution of stride 2 that rounds up, and pools that round down."""
    height, width = (height + 1) // 2, (width + 1) // 2
    return height >> (times - 1), width >> (times - 1)


VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of its convolutions; 0 is a pool."""


def vgg16(input_shape: Shape, num_outputs: int) -> nn.Module:
    """VGG-16 with batch normalisation and a single linear layer (Simonyan and Zisserman 2015)."""
    channels = input_shape[0]
    layers: list[nn.Module] = []
    for width in VGG16:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_outputs)]
    return kaiming(nn.Sequential(*layers))


def allcnn_c(input_shape: Shape, num_outputs: int) -> nn.Module:
    """All-CNN-C: convolutions alone, two of them with stride 2 (Springenberg et al. 2015).

    With batch normalisation, on the class maps too, and dropout of a half after each third convolution.
    """
    widths = [(96, 3, 1, 1), (96, 3, 1, 1), (96, 3, 2, 1), (192, 3, 1, 1), (192, 3, 1, 1), (192, 3, 2, 1)]
    widths += [(192, 3, 1, 0), (192, 1, 1, 0), (num_outputs, 1, 1, 0)]
    channels = input_shape[0]
    layers: list[nn.Module] = []
    for width, size, stride, padding in widths:
        layers += [
            nn.Conv2d(channels, width, size, stride=stride, padding=padding),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        if stride == 2:
            layers.append(nn.Dropout(0.5))
        channels = width
    layers.pop()  # class maps may be negative
    return kaiming(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()))


class Fire(nn.Module):
    """SqueezeNet's module: few channels in, 1x1 and 3x3 convolutions of them side by side."""

    def __init__(self, channels: int, width: int, squeezed: int, skip: bool) -> None:
        super().__init__()
        half = width // 2
        self.squeeze = _normalised(nn.Conv2d(channels, squeezed, 1))
        self.ones = _normalised(nn.Conv2d(squeezed, half, 1))
        self.threes = _normalised(nn.Conv2d(squeezed, half, 3, padding=1))
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        found = torch.cat([self.ones(squeezed), self.threes(squeezed)], dim=1)
        return found + x if self.skip else found


def _normalised(convolution: nn.Conv2d) -> nn.Module:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU())


def squeezenet(input_shape: Shape, num_outputs: int) -> nn.Module:
    """SqueezeNet for small images, with sums around every second module (Iandola et al. 2016)."""
    layers: list[nn.Module] = [_normalised(nn.Conv2d(input_shape[0], 96, 3, padding=1)), nn.MaxPool2d(2)]
    channels = 96
    for width, squeezed in ((128, 16), (128, 16), (256, 32), (256, 32), (384, 48), (384, 48), (512, 64)):
        layers.append(Fire(channels, width, squeezed, skip=channels == width))
        if width != channels and width in (256, 512):
            layers.append(nn.MaxPool2d(2))
        channels = width
    layers.append(Fire(512, 512, 64, skip=True))
    features = kaiming(nn.Sequential(*layers))
    classes = nn.Conv2d(512, num_outputs, 1)
    nn.init.normal_(classes.weight, std=0.01)  # as in the paper's code
    return nn.Sequential(features, classes, nn.AdaptiveAvgPool2d(1), nn.Flatten())
