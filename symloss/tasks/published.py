"""Published tables, in files that `symloss data get` writes."""

from __future__ import annotations

import functools
from pathlib import Path

from symloss.records import Kind
from symloss.tasks.dataset import Dataset
from symloss.tasks.fetching import find_table
from symloss.tasks.folders import located
from symloss.tasks.table_spec import TableSpec
from symloss.tasks.tables import Columns, gaps, read_table
from symloss.tasks.tabular import from_columns

CALIFORNIA, COMMUNITIES = "california-housing", "communities-and-crime"

NOT_PREDICTIVE = ("state", "county", "community", "communityname", "fold")
"""What names a place in communities-and-crime, says its documentation."""


def california_housing(data_dir: str | Path | None = None) -> Dataset:
    """Pace and Barry, Sparse spatial autoregressions (1997), as scikit-learn has it."""
    path, columns = _published(CALIFORNIA, data_dir)
    spec = TableSpec(path, ("MedHouseVal",), Kind.REGRESSION)
    return from_columns(CALIFORNIA, {"train": (path, columns)}, spec, (f"read from {path.parent}",))


def communities_and_crime(data_dir: str | Path | None = None) -> Dataset:
    """Redmond and Baveja (2002), without the columns that are mostly missing or name a place."""
    path, columns = _published(COMMUNITIES, data_dir)
    unused = [
        name
        for name, column in columns.items()
        if name.lower() in NOT_PREDICTIVE or gaps(column) > len(column) / 2
    ]
    spec = TableSpec(path, ("ViolentCrimesPerPop",), Kind.REGRESSION, tuple(unused), missing="mean")
    notes = (f"read from {path.parent}", f"{len(unused)} of {len(columns) - 1} columns left out")
    return from_columns(COMMUNITIES, {"train": (path, columns)}, spec, notes)


def _published(name: str, data_dir: str | Path | None) -> tuple[Path, Columns]:
    path, _ = located(name, data_dir, functools.partial(find_table, name), f"the file {name}.npz")
    return path, read_table(path)
