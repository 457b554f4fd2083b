"""Pool: the lanes that run the same operators, with their state in one matrix.

A row of the matrix is one lane (a series); its columns are 8-byte slots: what all operators share, the state of
each, which of them are awake, and parameters and bounds that differ by lane. A batch gathers rows in tiles, turns
them into columns, runs every operator once over each tile, and writes the state back: one cache miss per lane
instead of one per field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL
from detectors.alarm import Samples
from detectors.frame import Runs
from detectors.operator import Lanes, Operator
from detectors.rounds import Rounds
from detectors.rows import WINDOW, Floats, Rows
from detectors.scans import Scans

N_SHARED = 3  # time, value and number of the last readings
_TILE_ROWS = 32_768
_SCAN_ROWS = 65_536
_GATHERED = 512  # rows that are turned into columns at a time: the first-level cache holds them


class Bound(NamedTuple):
    """A bound of a slot: one number for all lanes, or a column of the matrix."""

    same: float
    column: int = -1


class Slot:
    """One operator of a pool: where its columns are, and what is the same for all lanes.

    columns name -> column of the matrix · same name -> value of all lanes, every name -> the same as an array
    high, low: a statistic strictly between them concerns no alarm that is at rest
    """

    def __init__(self, operator: Operator, params: Mapping[str, Floats | float]) -> None:
        """Take parameters as one number, or one per lane; what is left out has its default."""
        self.operator = operator
        given = {**operator.params, **params}
        self.same = {name: float(value) for name, value in given.items() if np.ndim(value) == 0}
        self.differs = {name: np.asarray(value) for name, value in given.items() if np.ndim(value)}
        self.every = {name: np.asarray(value) for name, value in self.same.items()}
        self.columns: dict[str, int] = {}
        self.high, self.low = Bound(np.inf), Bound(-np.inf)

    def about(self) -> dict[str, Any]:
        """Return what makes the slot, but for numbers that differ by lane."""
        return {"method": self.operator.name, "same": self.same, "differs": sorted(self.differs)}


class Pool:
    """N lanes of one set of operators; channel = base + slot × N + lane."""

    def __init__(self, slots: Sequence[Slot], series: NDArray[np.int32], base: int) -> None:
        """Lay out fresh lanes; series int32[N] is what each lane reads."""
        self.slots = tuple(slots)
        self.series = series
        self.base = base
        self._n_state, self._n_fixed = self._lay_out()
        self._n_columns = self._n_fixed
        self.matrix = _matrix(len(series), self._n_columns)
        self.matrix[:, 1] = np.nan
        for slot in self.slots:
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
        self, runs: Runs, which: NDArray[np.intp] | slice, lane: NDArray[np.intp], *, longest: int
    ) -> Iterator[Samples]:
        """Take the chosen runs through all operators; yield the samples that an alarm must see.

        A series with more than `longest` readings is computed by scans, the others by rounds.
        """
        start, count = runs.start[which], runs.count[which]
        most, n_long = int(np.maximum.reduce(count)), 0
        if most > 1:
            # In 16 bits it is sorted by counting; no piece of a run is longer than 65,536.
            order = (most - count).astype(np.uint16).argsort(kind="stable")
            lane, start, count = lane[order], start[order], count[order]
        if most > longest:
            n_long = int(np.count_nonzero(count > longest))
            group = np.cumsum(count[:n_long]) // _SCAN_ROWS
            for at in np.split(np.arange(n_long), np.flatnonzero(np.diff(group)) + 1):
                yield from self._run(runs, Scans(runs.batch, lane[at], start[at], count[at]))
        if n_long < len(count):
            lane, start, count = lane[n_long:], start[n_long:], count[n_long:]
            step = max(1024, _TILE_ROWS * len(count) // int(np.add.reduce(count)))
            for tile in _even(len(count), step):
                yield from self._run(runs, Rounds(runs.batch, lane[tile], start[tile], count[tile]))

    def bound(self, high: Floats, low: Floats) -> None:
        """Set the bounds of all channels, float64[n_channels]; a bound that all lanes share takes no memory."""
        n, differ = len(self), list[Floats]()

        def place(bounds: Floats) -> Bound:
            if (bounds == bounds[0]).all():
                return Bound(float(bounds[0]))
            differ.append(bounds)
            return Bound(np.nan, self._n_fixed + len(differ) - 1)

        for at, slot in enumerate(self.slots):
            here = slice(at * n, (at + 1) * n)
            slot.high, slot.low = place(high[here]), place(low[here])
        fixed = self.matrix[:, : self._n_fixed]
        self._n_columns = self._n_fixed + len(differ)
        self.matrix = _matrix(n, self._n_columns)
        self.matrix[:, : self._n_fixed] = fixed
        for at, column in enumerate(differ, self._n_fixed):
            self.matrix[:, at] = column

    def wake(self, channel: NDArray[np.intp], awake: NDArray[np.bool_]) -> None:
        """Let every sample of channels that are awake be noticed, and of others those at or beyond their bounds."""
        slot, lane = np.divmod(channel - self.base, len(self.series))
        bits = self.matrix.view(np.int64)[:, self._n_state]
        np.bitwise_and.at(bits, lane, ~(np.int64(1) << slot))
        np.bitwise_or.at(bits, lane, awake.astype(np.int64) << slot)

    def column(self, slot: int, name: str) -> Floats:
        """Return a column of a slot, to read or write; what is the same for all lanes can only be read."""
        here = self.slots[slot]
        if name in here.same:
            return np.broadcast_to(np.float64(here.same[name]), len(self.series))
        return self.matrix[:, here.columns[name]]

    def snapshot(self) -> Floats:
        """Return a copy of the matrix, without what only saves work and what follows from the alarms."""
        matrix = self.matrix[:, : self._n_fixed].copy()
        matrix[:, self._n_state] = 0.0
        for slot in self.slots:
            for name in slot.operator.cache:
                matrix[:, slot.columns[name]] = slot.operator.state[name]
        return matrix

    def restore(self, matrix: Floats) -> None:
        """Take over what `snapshot` returned."""
        self.matrix[:, : self._n_fixed] = matrix

    def _lay_out(self) -> tuple[int, int]:
        """Give every slot its columns, state first; return (state columns, all columns)."""
        at = N_SHARED
        for slot in self.slots:
            slot.columns = {name: at + n for n, name in enumerate(slot.operator.state)}
            at += len(slot.operator.state)
        n_state = at
        at += 1  # one bit per slot: awake
        for slot in self.slots:
            slot.columns |= {name: at + n for n, name in enumerate(slot.differs)}
            at += len(slot.differs)
        return n_state, at

    def _run(self, runs: Runs, rows: Rows) -> Iterator[Samples]:
        """Take one tile through all operators, and write its state back."""
        columns = self._gather(rows.lane)
        whole = columns.view(np.int64)
        seen, awake = whole[2], whole[self._n_state]
        stirring = int(np.bitwise_or.reduce(awake))
        t_before = rows.before(rows.t, whole[0])
        x_before = rows.before(rows.value, columns[1])
        dt_s = (rows.t - t_before) / 1e9
        for n, slot in enumerate(self.slots):
            lanes = Lanes(
                columns,
                slot.columns,
                slot.every,
                x_before=x_before,
                t_before=t_before,
                dt_s=dt_s,
                ring=self.rings[n],
                seen=seen,
                high=slot.high,
                low=slot.low,
                awake=(awake >> n & 1).astype(bool) if stirring >> n & 1 else None,
            )
            y = slot.operator.derive(rows, lanes)
            noticed = lanes.noticed(rows, y)
            if noticed is not None:
                yield self._samples(runs, rows, y, n, noticed)
        whole[0] = rows.last(rows.t)
        columns[1] = rows.last(rows.value)
        seen += rows.count
        self.matrix[rows.lane, : self._n_state] = columns[: self._n_state].T

    def _gather(self, lane: NDArray[np.intp]) -> Floats:
        """Return the rows of these lanes as columns."""
        n, n_columns = len(lane), self._n_columns
        columns = np.empty((n_columns, _odd_lines(n)))[:, :n]
        rows = np.empty((min(n, _GATHERED), self.matrix.shape[1]))
        for a in range(0, n, _GATHERED):
            part = lane[a : a + _GATHERED]
            # Without "clip" numpy would copy once more; the lanes are ours.
            gathered = self.matrix.take(part, axis=0, out=rows[: len(part)], mode="clip")
            columns[:, a : a + _GATHERED] = gathered[:, :n_columns].T
        return columns

    def _samples(self, runs: Runs, rows: Rows, y: Floats, slot: int, chosen: NDArray[np.bool_]) -> Samples:
        """Return all samples of the chosen lanes, without unknown ones."""
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


def _matrix(n_rows: int, n_columns: int) -> Floats:
    """Return zeros, at least so many columns; every row begins with a cache line."""
    wide = -(-n_columns // 8) * 8
    room = np.zeros(n_rows * wide + 7)
    skip = -room.ctypes.data // 8 % 8
    return room[skip : skip + n_rows * wide].reshape(n_rows, wide)


def _odd_lines(n: int) -> int:
    """Return a length for columns of n that is an odd number of cache lines, for the same reason."""
    return (-(-n // 8) | 1) * 8
