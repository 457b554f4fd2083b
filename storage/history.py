"""History: stored readings between two times, in their order, for whoever plays them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg

from core.batch import Batch
from core.time import SECOND, to_datetime

_SAMPLES = """
SELECT series_id, (extract(epoch FROM time) * 1000000)::bigint, value, quality FROM sample
WHERE series_id = ANY(%s) AND time >= %s AND time < %s
"""
# So much time is read at once.
_STEP = 3600 * SECOND


def batches(
    connection: psycopg.Connection[Any], series: Sequence[int], since: int, until: int
) -> Iterator[tuple[int, Batch]]:
    """Yield (time up to which it is complete, batch) of these series from `since` to before `until`, ns.

    Later batches hold later readings only. Marks of lateness are not stored: all count as having come in time.
    """
    wanted = [int(key) for key in series]
    for begin in range(since, until, _STEP):
        end = min(begin + _STEP, until)
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(_SAMPLES, [wanted, to_datetime(begin), to_datetime(end)]).fetchall()
        yield (
            end,
            Batch.of(
                np.array([row[0] for row in rows], np.int32),
                np.array([row[1] for row in rows], np.int64) * 1000,
                np.array([row[2] for row in rows], np.float64),
                np.array([row[3] for row in rows], np.uint8),
            ),
        )
