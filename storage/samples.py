"""Samples into their table: fresh rows by COPY BINARY, late ones by INSERT … ON CONFLICT DO NOTHING.

The index costs more than everything else together.  A fresh row is newer than all of its series, so it cannot
collide and needs no question asked; a late one may be a repetition, and the database alone knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from core.batch import LATE, Batch
from storage.binary import Column, Time, copy_buffers, pg_time
from storage.partitions import Partitions, name_of, starts_of

_COPY = sql.SQL("COPY {} (time, value, series_id, quality) FROM STDIN (FORMAT binary)")
_INSERT = """
WITH new AS (
    INSERT INTO sample (time, value, series_id, quality)
    SELECT * FROM unnest(%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING series_id, time
)
SELECT coalesce(array_agg(series_id), '{}'),
       coalesce(array_agg((extract(epoch FROM time) * 1000000)::bigint), '{}')
FROM new
"""


class Collision(Exception):  # noqa: N818 - no error: the batch is written in the other way
    """A row that should have been new is there already, or its partition went away a moment ago."""


class Samples:
    """Writes the samples of one connection; `partitions` is None with TimescaleDB, which makes its own."""

    def __init__(self, partitions: Partitions | None) -> None:
        self._partitions = partitions

    def write(
        self, connection: psycopg.Connection[Any], batch: Batch, *, ask_all: bool = False
    ) -> NDArray[np.bool_]:
        """Write in the connection's transaction and return bool[N]: True where the row was there already.

        `ask_all` treats every row as late: slower, never collides.  Raises Collision: roll back.
        """
        duplicate = np.zeros(len(batch), np.bool_)
        late = np.full(len(batch), ask_all) | ((batch.quality & LATE) != 0)
        try:
            if not late.any():
                self._copy(connection, batch)
                return duplicate
            self._copy(connection, batch.take(~late))
            duplicate[late] = self._insert(connection, batch.take(late))
        except (
            psycopg.errors.UniqueViolation,
            psycopg.errors.UndefinedTable,
            psycopg.errors.CheckViolation,  # "no partition of relation … found for row"
        ) as error:
            raise Collision(str(error)) from error
        return duplicate

    def _copy(self, connection: psycopg.Connection[Any], batch: Batch) -> None:
        if not len(batch):
            return
        if self._partitions is None:
            _copy_into(connection, "sample", batch)
            return
        starts = starts_of("sample", batch.t)
        days = np.unique(starts)
        self._partitions.ensure(connection, "sample", days)
        for day in days:
            part = batch if len(days) == 1 else batch.take(starts == day)
            _copy_into(connection, name_of("sample", int(day)), part)

    def _insert(self, connection: psycopg.Connection[Any], batch: Batch) -> NDArray[np.bool_]:
        if self._partitions is not None:
            self._partitions.ensure(connection, "sample", np.unique(starts_of("sample", batch.t)))
        columns = [
            Time(batch.t), Column(batch.value), Column(batch.series), Column(batch.quality.astype(np.int16)),
        ]  # fmt: skip
        row = connection.execute(_INSERT, columns, binary=True).fetchone()
        assert row is not None
        series, time_us = np.array(row[0], np.int32), np.array(row[1], np.int64)
        return ~first_among(batch.series, batch.t, series, time_us * 1000)


def _copy_into(connection: psycopg.Connection[Any], table: str, batch: Batch) -> None:
    columns: list[NDArray[Any]] = [
        pg_time(batch.t),
        batch.value,
        batch.series,
        batch.quality.astype(np.int16),
    ]
    with connection.cursor() as cursor, cursor.copy(_COPY.format(sql.Identifier(table))) as copy:
        for piece in copy_buffers(columns):
            copy.write(piece)


def first_among(
    series: NDArray[np.int32],
    t: NDArray[np.int64],
    stored_series: NDArray[np.int32],
    stored_t: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return bool[N]: True for the first row of each (series, t) that is among the stored ones.

    series, t : [N] in the order in which they were offered
    stored_series, stored_t : [M] each pair at most once
    """
    n_stored = len(stored_series)
    all_series, all_t = np.concatenate([stored_series, series]), np.concatenate([stored_t, t])
    # Stable: within one (series, t) the stored pair comes first, then the offered rows in their order.
    order = np.lexsort((all_t, all_series))
    behind = order[1:]
    same = (all_series[behind] == all_series[order[:-1]]) & (all_t[behind] == all_t[order[:-1]])
    out = np.zeros(len(series), np.bool_)
    out[behind[same & (order[:-1] < n_stored)] - n_stored] = True
    return out
