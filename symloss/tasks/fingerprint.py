"""A digest of the data of a task, which tells whether they are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from symloss.tasks.task import Task


def data_digest(task: Task) -> str:
    """Of all three parts as networks are given them: split, scaled and damaged."""
    digest = hashlib.sha256()
    for part in data_bytes(task):
        digest.update(part)
    return digest.hexdigest()


def data_bytes(task: Task) -> Iterator[bytes]:
    """Type, shape and content of every array of the data."""
    for split in (task.train, task.valid, task.test):
        for tensor in (split.x, split.y):
            yield f"{tensor.dtype}{tuple(tensor.shape)}".encode()
            yield tensor.cpu().numpy().tobytes()
