"""Pool: the lanes that run the same operators, with their state in one matrix.

A row of the matrix is one lane (a series); its columns are 8-byte slots: what all operators share, the state of
each, bounds, parameters that differ by lane. A batch gathers rows in tiles, turns them into columns, runs every
operator once over each tile, and writes the state back: one cache miss per lane instead of one per field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL
from detectors.alarm import Samples
from detectors.frame import Runs
from detectors.operator import Lanes, Operator
from detectors.rows import WINDOW, Floats, Rounds, Rows, Scans

N_SHARED = 3  # time, value and number of the last readings
_TILE_ROWS = 16_384
_SCAN_ROWS = 65_536


class Slot:
    """One operator of a pool: where its columns are, and what is the same for all lanes.

    columns name -> column of the matrix · same name -> value of all lanes · high column, low column or -1: no limit
    """

    def __init__(self, operator: Operator, params: Mapping[str, Floats | float], *, has_low: bool) -> None:
        """Take parameters as one number, or one per lane; what is left out has its default."""
        self.operator = operator
        given = {**operator.params, **params}
        self.same = {name: float(value) for name, value in given.items() if np.ndim(value) == 0}
        self.differs = {name: np.asarray(value) for name, value in given.items() if np.ndim(value)}
        self.has_low = has_low
        self.columns: dict[str, int] = {}
        self.high = self.low = -1

    def about(self) -> dict[str, Any]:
        """Return what makes the slot, but for numbers that differ by lane."""
        return {
            "method": self.operator.name,
            "same": self.same,
            "differs": sorted(self.differs),
            "has_low": self.has_low,
        }


class Pool:
    """N lanes of one set of operators; channel = base + slot × N + lane."""

    def __init__(self, slots: Sequence[Slot], series: NDArray[np.int32], base: int) -> None:
        """Lay out fresh lanes; series int32[N] is what each lane reads."""
        self.slots = tuple(slots)
        self.series = series
        self.base = base
        self._n_state, n_columns = self._lay_out()
        self.matrix = np.zeros((len(series), n_columns))
        self.matrix[:, 1] = np.nan
        for slot in self.slots:
            self.matrix[:, slot.high] = np.inf
            if slot.has_low:
                self.matrix[:, slot.low] = -np.inf
            for name, start in slot.operator.state.items():
                self.matrix[:, slot.columns[name]] = start
            for name, value in slot.differs.items():
                if len(value):
                    self.matrix[:, slot.columns[name]] = value
        self.rings = [np.full((len(series), slot.operator.n_rings, WINDOW), np.nan) for slot in self.slots]

    def __len__(self) -> int:
        return len(self.series)

    @property
    def n_channels(self) -> int:
        return len(self.slots) * len(self.series)

    def advance(
        self, runs: Runs, which: NDArray[np.intp], lane: NDArray[np.intp], *, longest: int
    ) -> Iterator[Samples]:
        """Take the chosen runs through all operators; yield the samples that an alarm must see.

        A series with more than `longest` readings is computed by scans, the others by rounds.
        """
        start, count = runs.start[which], runs.count[which]
        if count.max() == 1:
            for tile in _even(len(lane), _TILE_ROWS):
                yield from self._run(runs, Rounds(runs.batch, lane[tile], start[tile], count[tile]))
            return
        short = np.flatnonzero(count <= longest)
        if len(short):
            short = short[np.argsort(-count[short], kind="stable")]
            step = max(1024, _TILE_ROWS * len(short) // int(count[short].sum()))
            for tile in _even(len(short), step):
                at = short[tile]
                yield from self._run(runs, Rounds(runs.batch, lane[at], start[at], count[at]))
        long = np.flatnonzero(count > longest)
        if len(long):
            group = np.cumsum(count[long]) // _SCAN_ROWS
            for at in np.split(long, np.flatnonzero(np.diff(group)) + 1):
                yield from self._run(runs, Scans(runs.batch, lane[at], start[at], count[at]))

    def wake(self, channel: NDArray[np.intp], high: Floats, low: Floats, awake: NDArray[np.bool_]) -> None:
        """Let every sample of channels that are awake be noticed, and of others those at or beyond their bounds."""
        slot, lane = np.divmod(channel - self.base, len(self.series))
        self.matrix[lane, np.array([s.high for s in self.slots])[slot]] = np.where(awake, -np.inf, high)
        columns = np.array([s.low for s in self.slots])[slot]
        both = columns >= 0
        self.matrix[lane[both], columns[both]] = low[both]

    def column(self, slot: int, name: str) -> Floats:
        """Return a column of a slot, to read or write; what is the same for all lanes can only be read."""
        here = self.slots[slot]
        if name in here.same:
            return np.broadcast_to(np.float64(here.same[name]), len(self.series))
        return self.matrix[:, here.columns[name]]

    def snapshot(self) -> Floats:
        """Return a copy of the matrix, without what only saves work."""
        matrix = self.matrix.copy()
        for slot in self.slots:
            for name in slot.operator.cache:
                matrix[:, slot.columns[name]] = slot.operator.state[name]
        return matrix

    def _lay_out(self) -> tuple[int, int]:
        """Give every slot its columns, state first; return (state columns, all columns)."""
        at = N_SHARED
        for slot in self.slots:
            slot.columns = {name: at + n for n, name in enumerate(slot.operator.state)}
            at += len(slot.operator.state)
        n_state = at
        for slot in self.slots:
            slot.high = at
            slot.low = at + 1 if slot.has_low else -1
            at += 1 + slot.has_low
            slot.columns |= {name: at + n for n, name in enumerate(slot.differs)}
            at += len(slot.differs)
        return n_state, at

    def _run(self, runs: Runs, rows: Rows) -> Iterator[Samples]:
        """Take one tile through all operators, and write its state back."""
        columns = self._gather(rows.lane)
        seen = columns[2].view(np.int64)
        t_before = rows.before(rows.t, columns[0].view(np.int64))
        x_before = rows.before(rows.value, columns[1])
        dt_s = (rows.t - t_before) / 1e9
        for n, slot in enumerate(self.slots):
            lanes = Lanes(
                columns,
                slot.columns,
                slot.same,
                x_before=x_before,
                t_before=t_before,
                dt_s=dt_s,
                ring=self.rings[n],
                seen=seen,
                high=slot.high,
                low=slot.low,
            )
            y = slot.operator.derive(rows, lanes)
            noticed = y >= rows.spread(lanes.high)
            if slot.has_low:
                noticed |= y <= rows.spread(lanes.low)
            if noticed.any():
                yield self._samples(runs, rows, y, n, noticed)
        columns[0].view(np.int64)[:] = rows.last(rows.t)
        columns[1] = rows.last(rows.value)
        seen += rows.count
        self.matrix[rows.lane, : self._n_state] = columns[: self._n_state].T

    def _gather(self, lane: NDArray[np.intp]) -> Floats:
        """Return the rows of these lanes as columns."""
        if len(lane) <= 512:
            return np.ascontiguousarray(self.matrix.take(lane, axis=0).T)
        columns = np.empty((self.matrix.shape[1], len(lane)))
        for a in range(0, len(lane), 512):
            columns[:, a : a + 512] = self.matrix.take(lane[a : a + 512], axis=0).T
        return columns

    def _samples(self, runs: Runs, rows: Rows, y: Floats, slot: int, noticed: NDArray[np.bool_]) -> Samples:
        """Return all samples of the lanes with something noticed, without unknown ones."""
        chosen = rows.any_of(noticed)
        place, count = rows.cells(chosen)
        channel = self.base + slot * len(self.series) + rows.lane[chosen]
        value = y[place]
        known = ~np.isnan(value)
        if not known.all():
            owner = np.repeat(np.arange(len(count)), count)
            count = np.bincount(owner[known], minlength=len(count))
            channel, count = channel[count > 0], count[count > 0]
            place, value = place[known], value[known]
        quality = runs.batch.quality[rows.row[place]]
        return Samples(channel, count, rows.t[place], value, (quality & HISTORICAL) == 0)


def _even(n: int, most: int) -> Iterator[slice]:
    """Yield slices of 0 … n-1 of nearly one size, none longer than `most`."""
    parts = -(-n // most)
    for k in range(parts):
        yield slice(k * n // parts, (k + 1) * n // parts)
