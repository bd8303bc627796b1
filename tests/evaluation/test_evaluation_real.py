"""Real images, where they are installed: a short evaluation ends where such networks are known to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from symloss.config import TaskSettings
from symloss.evaluation import EvaluationSettings, evaluate
from symloss.evaluation.settings import Budget
from symloss.meta.settings import Training

REAL = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not REAL.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_losses_are_compared_on_fashion_mnist_with_wrong_labels(monkeypatch, tmp_path):
    monkeypatch.setenv("SYMLOSS_DATA", str(tmp_path))
    task = TaskSettings(task="fashion-mnist", model="linear", train_size=3000, label_noise=0.4)
    budget = Budget(
        seeds=3,
        choosing_seeds=1,
        learning_rates=(0.003, 0.03),
        widen=0,
        curve_points=2,
        training=Training(steps=150),
    )
    found = evaluate(EvaluationSettings(losses=("symmetric-cross-entropy",), tasks=(task,), budget=budget))
    (result,) = found.tasks
    assert result.title == "fashion-mnist, label noise 0.4, train size 3000"
    for row in result.rows:
        # Logistic regression reaches 0.16 with all data and clean labels; guessing has 0.9.
        assert 0.16 < row.mean("error") < 0.35
        assert row.curve[-1] < 0.35
