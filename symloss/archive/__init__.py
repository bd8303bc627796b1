"""The run folder: the record of a search, readable by people and programs."""

from symloss.archive.folder import RunFolder, SavedState

__all__ = ["RunFolder", "SavedState"]
