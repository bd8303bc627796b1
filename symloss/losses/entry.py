"""How a network's outputs and the labels enter a loss, and how gradients leave through the same door.

All functions take outputs of shape (..., batch, outputs) and work for any number of leading dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from symloss import elementwise
from symloss.records import Kind


def predictions_of(outputs: Tensor, kind: Kind, plain: bool = False) -> Tensor:
    """Raw network outputs to predictions: softmax, sigmoid, or as they are. Same shape.

    plain: no derivative will be taken, nor are the outputs part of a function transform.
    """
    if kind is Kind.MULTICLASS:
        # torch.softmax is five times slower than this on a CPU when the last dimension is short.
        shifted = outputs - outputs.detach().amax(dim=-1, keepdim=True)
        powers = elementwise.exp(shifted) if plain else torch.exp(shifted)
        return powers / powers.sum(dim=-1, keepdim=True)
    return torch.sigmoid(outputs) if kind is Kind.BINARY else outputs


def targets_of(labels: Tensor, kind: Kind, num_outputs: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Labels to targets of shape (..., batch, outputs): one-hot for class ids, otherwise as they are."""
    if kind is Kind.MULTICLASS and not labels.is_floating_point():
        # Written where it belongs at once: torch's one_hot makes 64-bit integers first.
        return torch.zeros(*labels.shape, num_outputs, dtype=dtype, device=labels.device).scatter_(
            -1, labels.long()[..., None], 1.0
        )
    return labels.to(dtype)


def averaged(outputs: Tensor, kind: Kind) -> int:
    """By how much the mean of a batch divides: samples, or elements where each is a loss of its own."""
    return int(outputs.shape[-2]) if kind is Kind.MULTICLASS else int(outputs.shape[-2:].numel())


def pull_back(predictions: Tensor, slopes: Tensor, kind: Kind) -> Tensor:
    """Gradient with respect to the outputs, from the one with respect to the predictions.

    The Jacobians of softmax and sigmoid are symmetric, so this is also `push_forward`: it turns a
    direction in outputs into the direction in predictions.
    """
    if kind is Kind.MULTICLASS:
        weighted = predictions * slopes
        return weighted - predictions * weighted.sum(dim=-1, keepdim=True)
    if kind is Kind.BINARY:
        return predictions * (1.0 - predictions) * slopes
    return slopes
