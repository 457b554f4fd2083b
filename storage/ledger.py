"""The ledger: per gateway, received = stored + duplicate + rejected (law 1).

Each unit's part rides in its row of batch_log; every few seconds the table gateway_ledger is brought up to
date from there.  The view `ledger` is both together, and exact at every moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from core.batch import Batch
from core.reject import Reject

Counts = NDArray[np.int32]

_CATCH_UP = """
WITH span AS (SELECT * FROM batch_log WHERE seq > (SELECT seq FROM mark WHERE name = 'ledger')),
part AS (
    SELECT u.gateway, sum(u.received) AS received, sum(u.stored) AS stored,
           sum(u.duplicate) AS duplicate, sum(u.rejected) AS rejected
    FROM span
    CROSS JOIN LATERAL unnest(span.gateway, span.received, span.stored, span.duplicate, span.rejected)
        AS u (gateway, received, stored, duplicate, rejected)
    GROUP BY 1
),
put AS (
    INSERT INTO gateway_ledger AS l SELECT * FROM part ORDER BY gateway
    ON CONFLICT (gateway) DO UPDATE SET
        received = l.received + excluded.received, stored = l.stored + excluded.stored,
        duplicate = l.duplicate + excluded.duplicate, rejected = l.rejected + excluded.rejected
)
UPDATE mark SET seq = (SELECT max(seq) FROM span) WHERE name = 'ledger' AND EXISTS (SELECT FROM span)
"""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The ledger of one unit, one row per gateway that had a part in it; all int32[G]."""

    gateway: Counts
    received: Counts
    stored: Counts
    duplicate: Counts
    rejected: Counts

    @classmethod
    def none(cls) -> Tally:
        """Return the ledger of a unit in which nothing came."""
        return cls(*(np.empty(0, np.int32) for _ in range(5)))

    def per_gateway(self, counts: Counts) -> Mapping[int, int]:
        """Return one column as a mapping without its zeros."""
        some = counts != 0
        return dict(zip(self.gateway[some].tolist(), counts[some].tolist(), strict=True))


def tally(
    batch: Batch,
    was_there: NDArray[np.bool_],
    gateway_of: NDArray[np.int32],
    *,
    received: Mapping[int, int],
    duplicates: Mapping[int, int],
    rejects: Sequence[Reject],
) -> Tally:
    """Return the unit's ledger.

    was_there : bool[N]     rows of the batch that the database had already
    gateway_of : int32[S]   gateway of each series
    received, duplicates    readings per gateway, as ingest counted them
    """
    owner = gateway_of[batch.series]
    refused: Counter[int] = Counter()
    for reject in rejects:
        refused[reject.gateway] += reject.n
    size = 1 + max(
        int(owner.max(initial=0)),
        max(received, default=0),
        max(duplicates, default=0),
        max(refused, default=0),
    )
    columns = [
        _spread(received, size),
        np.bincount(owner[~was_there], minlength=size),
        _spread(duplicates, size) + np.bincount(owner[was_there], minlength=size),
        _spread(refused, size),
    ]
    part = np.flatnonzero(np.any(columns, axis=0))
    return Tally(part.astype(np.int32), *(column[part].astype(np.int32) for column in columns))


def _spread(counts: Mapping[int, int], size: int) -> NDArray[np.int64]:
    out = np.zeros(size, np.int64)
    out[np.fromiter(counts.keys(), np.int64, len(counts))] = np.fromiter(
        counts.values(), np.int64, len(counts)
    )
    return out


def catch_up(connection: psycopg.Connection[Any]) -> None:
    """Add to gateway_ledger what the log has beyond its mark, in the connection's transaction."""
    connection.execute(_CATCH_UP)
