"""Sinusoids, the regression problem of MAML (Finn, Abbeel and Levine, arXiv 1703.03400, section 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from symloss.fewshot.episodes.episode import Episode, random_of
from symloss.records import Kind

AMPLITUDES = (0.1, 5.0)
PHASES = (0.0, math.pi)
INPUTS = (-5.0, 5.0)


@dataclass(frozen=True)
class Sinusoids:
    """y = amplitude sin(x - phase): a curve for each episode, all numbers uniform in their ranges.

    Shapes: x and y (shots, 1) and (queries, 1) float32.
    """

    split: str
    seed: int
    shots: int
    queries: int
    shape: tuple[int, ...] = (1,)
    kind: Kind = Kind.REGRESSION

    def episode(self, index: int) -> Episode:
        rng = random_of(self.seed, self.split, index)
        amplitude, phase = rng.uniform(*AMPLITUDES), rng.uniform(*PHASES)
        x = torch.from_numpy(rng.uniform(*INPUTS, size=(self.shots + self.queries, 1)))
        y = (amplitude * torch.sin(x - phase)).float()
        x, shots = x.float(), self.shots
        return Episode(x[:shots], y[:shots], x[shots:], y[shots:])
