"""Metrics: how good a trained network is, always as a cost, so that lower is better everywhere.

To add a metric, add a row to `CLASSIFICATION` or `REGRESSION`; to add one with a number in its name, a row
to `FAMILIES`.
"""

from symloss.tasks.metrics.finding import FAMILIES, METRICS, find_metric, own_metric
from symloss.tasks.metrics.metric import Metric, class_ids, probabilities

__all__ = ["FAMILIES", "METRICS", "Metric", "class_ids", "find_metric", "own_metric", "probabilities"]
