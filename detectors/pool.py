"""Pool: the lanes that run the same operators, with all their parameters and state in one matrix.

A row of the matrix is one lane (a series), its columns are 8-byte slots: what all operators share, state, bounds,
parameters. A batch gathers rows in tiles, turns them into columns, runs every operator once over each tile, and
writes the state back: one cache miss per lane instead of one per field (measured 6 times faster at 1,000 readings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL
from detectors.alarm import Samples
from detectors.frame import Runs
from detectors.operator import Lanes, Operator
from detectors.rows import WINDOW, Floats, Rounds, Rows, Scans

_SHARED = ("t", "x", "seen")
_TILE_ROWS = 4096
# A reading beyond this counts as this: squares of it are still finite.
BIGGEST = 1e15


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an operator's columns are: name -> column, and those of the bounds."""

    columns: Mapping[str, int]
    high: int
    low: int


def lay_out(operators: Sequence[Operator]) -> tuple[list[Layout], int, int]:
    """Return (layout of each operator, number of state columns, number of columns): state first, then the rest."""
    at = len(_SHARED)
    state = []
    for operator in operators:
        state.append({name: at + n for n, name in enumerate(operator.state)})
        at += len(operator.state)
    n_state = at
    layouts = []
    for operator, columns in zip(operators, state, strict=True):
        params = {name: at + 2 + n for n, name in enumerate(operator.params)}
        layouts.append(Layout({**columns, **params}, at, at + 1))
        at += 2 + len(operator.params)
    return layouts, n_state, at


class Pool:
    """N lanes of one set of operators; channel = base + operator × N + lane."""

    def __init__(self, operators: Sequence[Operator], series: NDArray[np.int32], base: int) -> None:
        """Lay out fresh lanes with default parameters; series int32[N] is what each lane reads."""
        self.operators = tuple(operators)
        self.series = series
        self.base = base
        self.layouts, self._n_state, n_columns = lay_out(operators)
        self.matrix = np.zeros((len(series), n_columns))
        self.matrix[:, _SHARED.index("x")] = np.nan
        for operator, layout in zip(self.operators, self.layouts, strict=True):
            self.matrix[:, layout.high], self.matrix[:, layout.low] = np.inf, -np.inf
            for name, value in {**operator.state, **operator.params}.items():
                self.matrix[:, layout.columns[name]] = value
        self.rings = [np.full((len(series), op.n_rings, WINDOW), np.nan) for op in self.operators]

    def __len__(self) -> int:
        return len(self.series)

    @property
    def n_channels(self) -> int:
        return len(self.operators) * len(self.series)

    def advance(self, runs: Runs, which: NDArray[np.intp], lane: NDArray[np.intp]) -> list[Samples]:
        """Take the chosen runs through all operators; return the samples that an alarm must see."""
        start, count = runs.start[which], runs.count[which]
        n = len(runs.batch)
        longest = int(count.max())
        if longest == 1:
            return self._tiles(runs, lane, start, count)
        long = count > 8 + n // 800
        found = []
        if not long.all():
            short = np.flatnonzero(~long)
            short = short[np.argsort(-count[short], kind="stable")]
            found += self._tiles(runs, lane[short], start[short], count[short])
        if long.any():
            rows = Scans(runs.batch, lane[long], start[long], count[long])
            found += self._run(runs, rows)
        return found

    def wake(self, channel: NDArray[np.intp], high: Floats, low: Floats, awake: NDArray[np.bool_]) -> None:
        """Let every sample of channels that are awake be noticed, and of others those at or beyond their bounds."""
        operator, lane = np.divmod(channel - self.base, len(self.series))
        columns = np.array([[layout.high, layout.low] for layout in self.layouts])
        self.matrix[lane, columns[operator, 0]] = np.where(awake, -np.inf, high)
        self.matrix[lane, columns[operator, 1]] = low

    def column(self, operator: int, name: str) -> Floats:
        """Return a column of an operator, to read or write."""
        return self.matrix[:, self.layouts[operator].columns[name]]

    def _tiles(
        self, runs: Runs, lane: NDArray[np.intp], start: NDArray[np.intp], count: NDArray[np.intp]
    ) -> list[Samples]:
        """Take lanes with few readings through, as many at a time as fit the cache."""
        per_lane = max(1, int(count.sum()) // len(count))
        step = max(256, _TILE_ROWS // per_lane)
        found = []
        for a in range(0, len(lane), step):
            tile = slice(a, a + step)
            found += self._run(runs, Rounds(runs.batch, lane[tile], start[tile], count[tile]))
        return found

    def _run(self, runs: Runs, rows: Rows) -> list[Samples]:
        columns = self._gather(rows.lane)
        t_before, x_before = columns[0].view(np.int64), columns[1]
        seen = columns[2].view(np.int64)
        t_before = rows.before(rows.t, t_before)
        x_before = rows.before(rows.value, x_before)
        dt_s = (rows.t - t_before) * 1e-9
        found = []
        for n, (operator, layout) in enumerate(zip(self.operators, self.layouts, strict=True)):
            lanes = Lanes(
                columns=columns,
                names=layout.columns,
                x_before=x_before,
                t_before=t_before,
                dt_s=dt_s,
                ring=self.rings[n],
                seen=seen,
            )
            y = operator.derive(rows, lanes)
            noticed = y >= rows.spread(columns[layout.high])
            noticed |= y <= rows.spread(columns[layout.low])
            if noticed.any():
                found.append(self._samples(runs, rows, y, n, noticed))
        columns[0].view(np.int64)[:] = rows.last(rows.t)
        columns[1] = rows.last(rows.value)
        seen += rows.count
        self.matrix[rows.lane, : self._n_state] = columns[: self._n_state].T
        return found

    def _gather(self, lane: NDArray[np.intp]) -> Floats:
        """Return the rows of these lanes as columns."""
        columns = np.empty((self.matrix.shape[1], len(lane)))
        for a in range(0, len(lane), 512):
            columns[:, a : a + 512] = self.matrix.take(lane[a : a + 512], axis=0).T
        return columns

    def _samples(
        self, runs: Runs, rows: Rows, y: Floats, operator: int, noticed: NDArray[np.bool_]
    ) -> Samples:
        """Return all samples of the lanes with something noticed, without unknown ones."""
        chosen = rows.any_of(noticed)
        place, count = rows.cells(chosen)
        channel = self.base + operator * len(self.series) + rows.lane[chosen]
        value = y[place]
        known = ~np.isnan(value)
        if not known.all():
            owner = np.repeat(np.arange(len(count)), count)
            count = np.bincount(owner[known], minlength=len(count))
            channel, count = channel[count > 0], count[count > 0]
            place, value = place[known], value[known]
        quality = runs.batch.quality[rows.row[place]]
        return Samples(channel, count, rows.t[place], value, (quality & HISTORICAL) == 0)
