"""Operator: what a method is: parameters, state, and one function from readings to a statistic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.rows import Floats, Rows

UNKNOWN = float("nan")


class Lanes:
    """The lane columns of one operator while it runs.

    Parameters and state by name: `lanes["alpha"]`; whole numbers (ns, counts) by `lanes.time("since")`; state is set
    by `lanes.set`, last of all, for columns are views. Of all operators of a pool: x_before float64[N] the reading
    before (NaN: none), t_before int64[N] its time, dt_s float64[N] seconds since it, ring float64[states, M, WINDOW],
    seen int64[L] readings ever seen before this batch.
    """

    __slots__ = (
        "_awake",
        "_columns",
        "_high",
        "_low",
        "_names",
        "_same",
        "dt_s",
        "ring",
        "seen",
        "t_before",
        "x_before",
    )

    def __init__(
        self,
        columns: Floats,
        names: Mapping[str, int],
        same: Mapping[str, Floats],
        *,
        x_before: Floats,
        t_before: NDArray[np.int64],
        dt_s: Floats,
        ring: Floats,
        seen: NDArray[np.int64],
        high: tuple[float, int],
        low: tuple[float, int],
        awake: NDArray[np.bool_] | None,
    ) -> None:
        """Look at the columns [C, L] of a tile; `same` are numbers; a bound is one, or a column where that is not -1.

        awake bool[L] of which lanes every statistic is looked at; None: of none.
        """
        self._columns, self._names, self._same = columns, names, same
        self.x_before, self.t_before, self.dt_s = x_before, t_before, dt_s
        self.ring, self.seen = ring, seen
        self._high, self._low, self._awake = high, low, awake

    def __getitem__(self, name: str) -> Floats:
        same = self._same.get(name)
        if same is not None:
            every = np.empty(len(self.seen))
            every.fill(same)  # np.full and np.broadcast_to cost ten times as much on a thousand lanes
            return every
        column: Floats = self._columns[self._names[name]]
        return column

    def over(self, rows: Rows, name: str) -> Floats:
        """Return a parameter or state as a column; a parameter that all lanes share as one number."""
        same = self._same.get(name)
        return rows.spread(self._columns[self._names[name]]) if same is None else same

    def time(self, name: str) -> NDArray[np.int64]:
        """Return a column that holds whole numbers: nanoseconds or a count."""
        return self[name].view(np.int64)

    def known_after(self, y: Floats, rows: Rows, *, count: str, wanted: str) -> Floats:
        """Return y with NaN for the first `wanted` readings; the state `count` counts up to there."""
        had, same = self[count], self._same.get(wanted)
        if np.count_nonzero(had < (self[wanted] if same is None else same)):
            wants = self[wanted]
            had_then = rows.total(np.ones(len(y))) - 1.0 + rows.spread(had)
            y[had_then < rows.spread(wants)] = UNKNOWN
            self.set(count, np.minimum(had + rows.count, wants))
        return y

    def pair(self, first: str) -> Floats:
        """Return a state and the one declared after it, float64[2, L]."""
        at = self._names[first]
        pair: Floats = self._columns[at : at + 2]
        return pair

    @property
    def quiet(self) -> Floats:
        """Return, per lane, below what size a statistic will not be looked at: any such number will do."""
        (high, at_high), (low, at_low) = self._high, self._low
        quiet = np.empty(len(self.seen))
        quiet.fill(min(high if at_high < 0 else np.inf, -low if at_low < 0 else np.inf))
        for column, sign in ((at_high, 1.0), (at_low, -1.0)):
            if column >= 0:
                np.minimum(quiet, sign * self._columns[column], out=quiet)
        if self._awake is not None:
            quiet[self._awake] = -np.inf
        return quiet

    def noticed(self, rows: Rows, y: Floats) -> NDArray[np.bool_] | None:
        """Return which lanes must be looked at, for their bounds or because they are awake; None: none."""
        (high, at_high), (low, at_low) = self._high, self._low
        beyond = y >= (high if at_high < 0 else rows.spread(self._columns[at_high]))
        if at_low >= 0 or low > -np.inf:
            beyond |= y <= (low if at_low < 0 else rows.spread(self._columns[at_low]))
        if not np.count_nonzero(beyond):
            return self._awake
        noticed = rows.any_of(beyond)
        return noticed if self._awake is None else noticed | self._awake

    def opens(self, rows: Rows, every_s: str, *, parts: int = 1, offset_ns: int = 0) -> NDArray[np.bool_]:
        """Return which readings are the first in their slot of time; slots are 1/parts of `every_s` long."""
        every = (rows.spread(self[every_s]) * (1e9 / parts)).astype(np.int64)
        opens: NDArray[np.bool_] = (rows.t + offset_ns) // every != (self.t_before + offset_ns) // every
        return opens

    def set(self, name: str, lane: Floats | NDArray[np.int64]) -> None:
        """Store a lane column as state."""
        column = self[name]
        (column.view(np.int64) if lane.dtype == np.int64 else column)[:] = lane


Derive = Callable[[Rows, Lanes], Floats]


@dataclass(frozen=True, slots=True)
class Operator:
    """A method that turns the readings of a series into a statistic, for limits to be held against.

    derive      float64[N] per reading; NaN = unknown (warming up): neither raises nor clears
    params      name -> default, NaN = must be given · state: name -> initial value, 0 for whole numbers
    cache       state that only saves work: left out of snapshots
    n_rings     how many values a kept row has, 0 = no memory of single readings
    unit        of the statistic; "{x}" stands for the unit of the series
    """

    name: str
    derive: Derive
    params: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    n_rings: int = 0
    cache: tuple[str, ...] = ()
    unit: str = "{x}"
