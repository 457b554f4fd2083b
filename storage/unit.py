"""What is committed as one: a delivery, seen from the store; and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.batch import Batch
from core.reject import Reject
from storage.ledger import Tally


class Unit(Protocol):
    """One delivery; `ingest.batcher.Delivery` is one.

    received, duplicates : readings per gateway's primary key, 0 = unknown; duplicates that ingest found
    now : ns · connected : False while the broker cannot be reached
    """

    @property
    def batch(self) -> Batch: ...
    @property
    def rejects(self) -> Sequence[Reject]: ...
    @property
    def received(self) -> Mapping[int, int]: ...
    @property
    def duplicates(self) -> Mapping[int, int]: ...
    @property
    def now(self) -> int: ...
    @property
    def connected(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a commit did.

    seq      of the newest durable unit: this one's, or still the last one's when this was a silent tick
    tally    the unit's part of the ledger
    asked_all   a row that should have been new was there already, so every row was asked about: never normal
    again    it had been committed before: the answer was lost on its way
    """

    seq: int
    tally: Tally
    asked_all: bool = False
    again: bool = False

    @property
    def stored(self) -> Mapping[int, int]:
        """Readings stored, per gateway."""
        return self.tally.per_gateway(self.tally.stored)

    @property
    def duplicate(self) -> Mapping[int, int]:
        """Readings that were there already, per gateway: found by ingest or by the database."""
        return self.tally.per_gateway(self.tally.duplicate)

    @property
    def rejected(self) -> Mapping[int, int]:
        """Readings rejected, per gateway."""
        return self.tally.per_gateway(self.tally.rejected)
