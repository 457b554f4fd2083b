"""The newest sample of every series, kept in numpy and written about once a second.

Writing it with every batch would cost more than the samples.  What is shown may be older than the truth by
the time between two writes; after a crash it is made again from the log.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from core.batch import LATE, Batch
from storage.binary import Column, Time

_PUT = """
INSERT INTO latest AS l (series_id, time, arrived, value, quality)
SELECT * FROM unnest(%s, %s, %s, %s, %s)
ON CONFLICT (series_id) DO UPDATE SET
    time = excluded.time, arrived = excluded.arrived, value = excluded.value, quality = excluded.quality
WHERE excluded.time >= l.time
"""


class Newest(NamedTuple):
    """Columns of as many series as changed."""

    series: NDArray[np.int32]
    t: NDArray[np.int64]
    arrived: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int16]


class Latest:
    """Arrays over series: the newest sample, when it arrived, and whether it is written yet."""

    def __init__(self) -> None:
        self._t = np.empty(0, np.int64)
        self._arrived = np.empty(0, np.int64)
        self._value = np.empty(0, np.float64)
        self._quality = np.empty(0, np.int16)
        self._dirty = np.empty(0, np.bool_)

    def note(self, batch: Batch, now: int) -> None:
        """Take the last row of each series that is not late."""
        late = (batch.quality & LATE) != 0
        if late.any():
            batch = batch.take(~late)
        if not len(batch):
            return
        self._grow(int(batch.series[-1]) + 1)
        rows = np.flatnonzero(np.r_[batch.series[1:] != batch.series[:-1], True])
        rows = rows[batch.t[rows] >= self._t[batch.series[rows]]]
        series = batch.series[rows]
        self._t[series], self._arrived[series] = batch.t[rows], now
        self._value[series], self._quality[series] = batch.value[rows], batch.quality[rows]
        self._dirty[series] = True

    def take(self) -> Newest:
        """Return what changed since the last call."""
        series = np.flatnonzero(self._dirty)
        self._dirty[series] = False
        return Newest(
            series.astype(np.int32),
            self._t[series], self._arrived[series], self._value[series], self._quality[series],
        )  # fmt: skip

    def put_back(self, newest: Newest) -> None:
        """Say that a `take` could not be written."""
        self._dirty[newest.series] = True

    def _grow(self, size: int) -> None:
        if size <= len(self._t):
            return
        size = max(size, 2 * len(self._t))
        for name in ("_t", "_arrived", "_value", "_quality", "_dirty"):
            old = getattr(self, name)
            new = np.full(size, np.iinfo(np.int64).min if name == "_t" else 0, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def put(connection: psycopg.Connection[Any], newest: Newest) -> None:
    """Write in the connection's transaction; a row that is newer already stays."""
    if len(newest.series):
        columns = [
            Column(newest.series), Time(newest.t), Time(newest.arrived), Column(newest.value),
            Column(newest.quality),
        ]  # fmt: skip
        connection.execute(_PUT, columns)
