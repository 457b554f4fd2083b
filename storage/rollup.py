"""One-minute and one-hour sums on plain PostgreSQL, made in numpy and written once when the period is over.

A row of rollup_1m or rollup_1h is a sum that is added to: count, sum, minimum and maximum of the usable
samples (not NaN, not BAD).  A `Rollup` holds one open period per series; when the series moves on to another
period, or when the clock says that the period is long over, the sum leaves as a part and is added to its row.
Every stored sample is in exactly one part, whatever its order; late ones make small parts of their own.

Exactly once: which parts leave with which unit follows from the units alone, the open sums are in the
checkpoint, and the parts are added in the transaction that moves the mark `rollup` to the last unit they came
with.  After a crash the log is replayed and parts of units up to the mark are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from core.batch import QUALITY_MASK, Batch, Quality
from core.time import HOUR, MINUTE
from storage.binary import Column, Time
from storage.partitions import Partitions, starts_of

State = Mapping[str, NDArray[np.generic]]

_ADD = sql.SQL("""
INSERT INTO {table} AS r (series_id, time, n, sum, min, max)
SELECT * FROM unnest(%s, %s, %s, %s, %s, %s)
ON CONFLICT (series_id, time) DO UPDATE SET
    n = r.n + excluded.n, sum = r.sum + excluded.sum,
    min = least(r.min, excluded.min), max = greatest(r.max, excluded.max)
""")


class Parts(NamedTuple):
    """Sums of some samples each, as columns: period is its start in ns."""

    series: NDArray[np.int32]
    period: NDArray[np.int64]
    n: NDArray[np.int32]
    sum: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]

    def where(self, rows: NDArray[Any]) -> Parts:
        """Return the chosen rows."""
        return Parts(*(column[rows] for column in self))


_SUMS = ("period", "n", "sum", "min", "max")


def join(parts: Sequence[Parts]) -> Parts:
    """Return all parts with those of one (series, period) summed, ordered by (series, period)."""
    if not parts:
        return Parts(*_no_columns())
    columns = Parts(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return _sum_runs(columns.where(np.lexsort((columns.period, columns.series))))


def of_batch(batch: Batch, period_ns: int) -> Parts:
    """Return the sums of a batch's usable samples per (series, period), ordered so."""
    useless = np.isnan(batch.value) | ((batch.quality & QUALITY_MASK) == Quality.BAD)
    if useless.any():
        batch = batch.take(~useless)
    n = np.ones(len(batch), np.int32)
    return _sum_runs(
        Parts(batch.series, batch.t // period_ns * period_ns, n, batch.value, batch.value, batch.value)
    )


def _sum_runs(parts: Parts) -> Parts:
    """Return parts, ordered by (series, period), with equal neighbours summed."""
    series, period = parts.series, parts.period
    if not len(series):
        return parts
    first = np.flatnonzero((series[1:] != series[:-1]) | (period[1:] != period[:-1])) + 1
    if len(first) == len(series) - 1:  # nothing to sum
        return parts
    first = np.concatenate([[0], first])
    return Parts(
        series[first],
        period[first],
        np.add.reduceat(parts.n, first),
        np.add.reduceat(parts.sum, first),
        np.minimum.reduceat(parts.min, first),
        np.maximum.reduceat(parts.max, first),
    )


class Rollup:
    """The open period of every series.

    period_ns  how long a period is
    sweep_ns   how often, by the clock, open periods are let go, except
    settle_ns  those that began less than this ago
    """

    def __init__(self, period_ns: int, *, sweep_ns: int, settle_ns: int) -> None:
        self.period_ns, self._sweep_ns, self._settle_ns = period_ns, sweep_ns, settle_ns
        self._swept = 0
        self._open = Parts(*(column.copy() for column in _no_columns()))

    def due(self, now: int) -> bool:
        """Return whether the clock lets something go at `now`: such a tick is not silent."""
        return now // self._sweep_ns != self._swept and bool(self._old(now).any())

    def step(self, parts: Parts, now: int) -> list[Parts]:
        """Take sums, each (series, period) once and ordered so; return what leaves.

        A late sum lets the open one go early: one more row to add, no other harm.
        """
        out = self._merge(parts) if len(parts.series) else []
        if now // self._sweep_ns != self._swept:
            self._swept = now // self._sweep_ns
            out.append(self._release(np.flatnonzero(self._old(now))))
        return [part for part in out if len(part.series)]

    def _old(self, now: int) -> NDArray[np.bool_]:
        return (self._open.n > 0) & (self._open.period + self._settle_ns <= now)

    def _merge(self, parts: Parts) -> list[Parts]:
        """Open the last period of each series; what was open goes on in it or leaves, with all before."""
        self._grow(int(parts.series[-1]) + 1)
        moves = parts.series[1:] != parts.series[:-1]
        if (
            moves.all() and self._goes_on(parts).all()
        ):  # nearly always: nobody begins a period, nothing leaves
            self._add(parts)
            return []
        first, last = np.r_[True, moves], np.r_[moves, True]
        heads = parts.where(first)
        goes_on = self._goes_on(heads)
        gone = self._release(heads.series[~goes_on & (self._open.n[heads.series] > 0)])
        parts = _added(parts, np.flatnonzero(first)[goes_on], self._open.where(heads.series[goes_on]))
        self._set(parts.where(last))
        return [gone, parts.where(~last)]

    def _goes_on(self, parts: Parts) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self._open.period[parts.series] == parts.period
        return same & (self._open.n[parts.series] > 0)

    def _add(self, parts: Parts) -> None:
        """Sum parts, each series once, into what is open of them."""
        open_, series = self._open, parts.series
        open_.n[series] += parts.n
        open_.sum[series] += parts.sum
        open_.min[series] = np.minimum(open_.min[series], parts.min)
        open_.max[series] = np.maximum(open_.max[series], parts.max)

    def _release(self, series: NDArray[Any]) -> Parts:
        parts = self._open.where(series)._replace(series=series.astype(np.int32))
        self._open.n[series] = 0
        return parts

    def _set(self, parts: Parts) -> None:
        for name in _SUMS:
            getattr(self._open, name)[parts.series] = getattr(parts, name)

    def _grow(self, size: int) -> None:
        old = len(self._open.n)
        if size > old:
            size = max(size, 2 * old)
            self._open = Parts(*(np.concatenate([c, np.zeros(size - old, c.dtype)]) for c in self._open))

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return a copy of the open sums."""
        open_: dict[str, NDArray[np.generic]] = {name: getattr(self._open, name).copy() for name in _SUMS}
        return open_ | {"swept": np.array([self._swept], np.int64)}

    def restore(self, state: State) -> None:
        """Become what `snapshot` returned."""
        n_series = len(state["n"])
        self._open = Parts(
            np.zeros(n_series, np.int32),
            *(np.array(state[name], getattr(self._open, name).dtype) for name in _SUMS),
        )
        self._swept = int(np.asarray(state["swept"], np.int64)[0])


def _to_period(parts: Parts, period_ns: int) -> Parts:
    return _sum_runs(parts._replace(period=parts.period // period_ns * period_ns))


def _added(parts: Parts, rows: NDArray[np.intp], more: Parts) -> Parts:
    """Return a copy of parts with `more` added to the given rows, one to one."""
    n, total, low, high = parts.n.copy(), parts.sum.copy(), parts.min.copy(), parts.max.copy()
    n[rows] += more.n
    total[rows] += more.sum
    low[rows] = np.minimum(low[rows], more.min)
    high[rows] = np.maximum(high[rows], more.max)
    return Parts(parts.series, parts.period, n, total, low, high)


def _no_columns() -> list[NDArray[Any]]:
    return [np.empty(0, kind) for kind in (np.int32, np.int64, np.int32, np.float64, np.float64, np.float64)]


class Waiting(NamedTuple):
    """What one unit let go."""

    seq: int
    minutes: Parts
    hours: Parts


class Cascade:
    """Minutes from samples, hours from minutes; and the parts that wait to be written."""

    def __init__(self) -> None:
        # A minute is let go a minute after its end, when the next sample has not done it.  Hours are only
        # coalesced: what is open goes every five minutes, so that readings_1h shows the present hour.
        self.minutes = Rollup(MINUTE, sweep_ns=MINUTE, settle_ns=2 * MINUTE)
        self.hours = Rollup(HOUR, sweep_ns=5 * MINUTE, settle_ns=0)
        self._waiting: list[Waiting] = []

    def due(self, now: int) -> bool:
        """Return whether a tick at `now` lets something go."""
        return self.minutes.due(now) or self.hours.due(now)

    def step(self, seq: int, batch: Batch, was_there: NDArray[np.bool_], now: int) -> None:
        """Take the unit `seq`; what it lets go waits under its number."""
        if was_there.any():
            batch = batch.take(~was_there)
        minutes = self.minutes.step(of_batch(batch, MINUTE), now)
        hours = self.hours.step(_to_period(join(minutes), HOUR), now)
        if minutes or hours:
            self._waiting.append(Waiting(seq, join(minutes), join(hours)))

    def take(self) -> list[Waiting]:
        """Return what waits to be written."""
        taken, self._waiting = self._waiting, []
        return taken

    def put_back(self, waiting: list[Waiting]) -> None:
        """Say that a `take` was not written, or that nobody knows."""
        self._waiting = waiting + self._waiting

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return a copy of all open sums; what waits is not in it and must be written first."""
        return {f"minutes/{k}": v for k, v in self.minutes.snapshot().items()} | {
            f"hours/{k}": v for k, v in self.hours.snapshot().items()
        }

    def restore(self, state: State) -> None:
        """Become what `snapshot` returned."""
        for name, rollup in (("minutes/", self.minutes), ("hours/", self.hours)):
            rollup.restore({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})


def add_waiting(
    connection: psycopg.Connection[Any], waiting: Sequence[Waiting], upto: int, partitions: Partitions
) -> None:
    """Add what waits and is beyond the mark, and move the mark to `upto`, in the connection's transaction."""
    row = connection.execute("SELECT seq FROM mark WHERE name = 'rollup'").fetchone()
    mark = row[0] if row else 0
    fresh = [entry for entry in waiting if entry.seq > mark]
    _add(connection, "rollup_1m", join([entry.minutes for entry in fresh]), partitions)
    _add(connection, "rollup_1h", join([entry.hours for entry in fresh]), partitions)
    connection.execute("UPDATE mark SET seq = %s WHERE name = 'rollup' AND seq < %s", [upto, upto])


def _add(connection: psycopg.Connection[Any], table: str, parts: Parts, partitions: Partitions) -> None:
    """Add parts, each (series, period) once, to the rows of a table in the connection's transaction."""
    if not len(parts.series):
        return
    partitions.ensure(connection, table, np.unique(starts_of(table, parts.period)))
    connection.execute(
        _ADD.format(table=sql.Identifier(table)),
        [Column(parts.series), Time(parts.period), *(Column(column) for column in parts[2:])],
    )
