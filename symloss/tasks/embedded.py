"""Data sets that need no files: those that scikit-learn carries, and one that is generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from symloss.records import Kind
from symloss.tasks.dataset import Dataset
from symloss.tasks.mnist1d import generate


def digits(data_dir: str | Path | None = None) -> Dataset:
    """Optical recognition of handwritten digits (Alpaydin and Kaynak, 1998), a part of it."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = x.reshape(-1, 1, 8, 8)
    return Dataset("digits", Kind.MULTICLASS, images, y.astype(np.int64), 10, scale=(0.0, 16.0))


def diabetes(data_dir: str | Path | None = None) -> Dataset:
    """Efron, Hastie, Johnstone and Tibshirani, Least angle regression (2004)."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return Dataset("diabetes", Kind.REGRESSION, x, y[:, None], 1, metric="mse")


def wine(data_dir: str | Path | None = None) -> Dataset:
    """Forina et al., PARVUS (1991)."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return Dataset("wine", Kind.MULTICLASS, x, y.astype(np.int64), 3)


def breast_cancer(data_dir: str | Path | None = None) -> Dataset:
    """Diagnostic of Wisconsin (Street, Wolberg and Mangasarian, 1993): 0 is malignant, 1 benign."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return Dataset("breast-cancer", Kind.BINARY, x, y[:, None].astype(np.float64), 1)


def mnist1d(data_dir: str | Path | None = None) -> Dataset:
    """Generated; see the module `mnist1d`."""
    x, y = generate(5000)
    test = x[4000:], y[4000:]
    return Dataset("mnist1d", Kind.MULTICLASS, x[:4000], y[:4000], 10, official_test=test, scale=(0.0, 1.0))
