"""The values that travel between rooms: what a candidate is, how it scored, where it came from.

Plain frozen data without torch: they are compared, hashed, written as JSON and read back.
"""

from symloss.records.ledger import Ledger
from symloss.records.values import (
    BROKEN,
    REDUCTIONS,
    SENTENCES,
    Candidate,
    Confirmation,
    Kind,
    Origin,
    Proposal,
    Score,
    Status,
    SymbolicLoss,
    ranked,
)

__all__ = [
    "BROKEN",
    "REDUCTIONS",
    "SENTENCES",
    "Candidate",
    "Confirmation",
    "Kind",
    "Ledger",
    "Origin",
    "Proposal",
    "Score",
    "Status",
    "SymbolicLoss",
    "ranked",
]
