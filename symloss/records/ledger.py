"""All candidates of a search, kept so small that a long one does not outgrow the machine."""

from __future__ import annotations

import math
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import overload

import msgspec

from symloss.records.lines import CandidateLine, from_line, to_line
from symloss.records.values import SENTENCES, Candidate, Confirmation, Kind, Status, rank_key

_STATUSES = list(Status)

_TYPICAL = msgspec.json.encode(
    CandidateLine(
        id=1,
        generation=1,
        status=Status.OK,
        fitness=0.1,
        size=1,
        formula="abs(0.5 * log(p + 0.1)) - y * square(1 - p)",
        expression="abs(0.5 * log(prediction + 0.1)) - target * square(1.0 - prediction)",
        structure="aq(pow(prediction, 0.1), exp(target)) + sqrt(prediction * (1.0 - target))",
        kind=Kind.MULTICLASS,
        reduction="mean",
        per_seed=(0.1,),
        curve=(0.1,),
        untuned=0.1,
        operation="point mutation",
        parents=(1, 1),
        detail=SENTENCES[Status.OK],
    )
)
"""What lines have in common, which need not be kept with each: one alone is too short to show it."""


class Ledger(Sequence[Candidate]):
    """Candidates in the order of asking, each kept as its line, compressed, and read when it is asked for.

    That takes a tenth of what a candidate takes with its trees. What a ranking needs is kept as numbers, so
    that nobody reads all candidates to find the best.
    """

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self._lines: list[bytes] = []
        self._ids = array("q")
        self._statuses = array("b")
        self._fitness = array("d")  # NaN: none
        self._sizes = array("q")
        self._confirmations: dict[int, Confirmation] = {}
        self.extend(candidates)

    def extend(self, candidates: Iterable[Candidate]) -> None:
        """Add candidates. Raises ValueError unless their ids ascend, also from those that are there."""
        for candidate in candidates:
            if self._ids and candidate.id <= self._ids[-1]:
                raise ValueError(f"candidate {candidate.id} comes after candidate {self._ids[-1]}")
            fitness = candidate.score.fitness
            self._lines.append(_packed(msgspec.json.encode(to_line(candidate))))
            self._ids.append(candidate.id)
            self._statuses.append(_STATUSES.index(candidate.score.status))
            self._fitness.append(math.nan if fitness is None else fitness)
            self._sizes.append(candidate.size)
            if candidate.confirmation is not None:
                self._confirmations[candidate.id] = candidate.confirmation

    def confirm(self, confirmations: Mapping[int, Confirmation]) -> None:
        """Note the second look at some candidates, by id."""
        self._confirmations.update(confirmations)

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> list[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | list[Candidate]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return from_line(self._line(index), self._confirmations.get(self._ids[index]))

    def position(self, id_: int) -> int:
        """Where the candidate of that id stands. Raises LookupError if there is none."""
        position = bisect_left(self._ids, id_)
        if position == len(self) or self._ids[position] != id_:
            raise LookupError(f"there is no candidate {id_}")
        return position

    def with_id(self, id_: int) -> Candidate:
        """The candidate of that id. Raises LookupError if there is none."""
        return self[self.position(id_)]

    def statuses(self) -> Counter[Status]:
        """How many candidates have each status."""
        return Counter({_STATUSES[code]: count for code, count in Counter(self._statuses).items()})

    def ranked(self) -> Iterator[Candidate]:
        """The scored candidates, best first, as `symloss.records.ranked` has them."""
        return (self[position] for position in self._ranking())

    def ranked_lines(self) -> Iterator[tuple[CandidateLine, Confirmation | None]]:
        """The same without reading formulas."""
        return ((self._line(i), self._confirmations.get(self._ids[i])) for i in self._ranking())

    def cheapest(self) -> Iterator[Candidate]:
        """The scored candidates by fitness alone; of equal ones the older comes first."""
        return (self[position] for position in sorted(self._scored(), key=self._fitness.__getitem__))

    def front(self) -> list[Candidate]:
        """The candidates that are better than every smaller one, smallest first."""
        front: list[int] = []
        for i in sorted(self._scored(), key=lambda i: (self._sizes[i], self._fitness[i])):
            if not front or self._fitness[i] < self._fitness[front[-1]]:
                front.append(i)
        return [self[position] for position in front]

    def _line(self, position: int) -> CandidateLine:
        return msgspec.json.decode(_unpacked(self._lines[position]), type=CandidateLine)

    def _scored(self) -> Iterator[int]:
        code = _STATUSES.index(Status.OK)
        return (position for position, own in enumerate(self._statuses) if own == code)

    def _ranking(self) -> list[int]:
        def key(i: int) -> tuple[int, float, int, int]:
            own = self._ids[i]
            return rank_key(self._confirmations.get(own), self._fitness[i], self._sizes[i], own)

        return sorted(self._scored(), key=key)


def _packed(line: bytes) -> bytes:
    packer = zlib.compressobj(zdict=_TYPICAL)
    return packer.compress(line) + packer.flush()


def _unpacked(line: bytes) -> bytes:
    return zlib.decompressobj(zdict=_TYPICAL).decompress(line)
