"""Operator: what a method is: parameters, state, and one function from readings to a statistic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.rows import Floats, Rows

UNKNOWN = float("nan")


@dataclass(slots=True, eq=False)
class Lanes:
    """The lane columns of one operator while it runs.

    Parameters and state by name: `lanes["alpha"]`; times, ns, by `lanes.time("since")`. State is set by `lanes.set`.
    Of all operators of a pool: x_before float64[N] the reading before (NaN: none), dt_s float64[N] seconds since it,
    ring float64[states, M, WINDOW] and taken int64[L] readings ever seen before this batch.
    """

    columns: Floats
    names: Mapping[str, int]
    x_before: Floats
    t_before: NDArray[np.int64]
    dt_s: Floats
    ring: Floats
    seen: NDArray[np.int64]

    def __getitem__(self, name: str) -> Floats:
        column: Floats = self.columns[self.names[name]]
        return column

    def time(self, name: str) -> NDArray[np.int64]:
        """Return a column that holds whole numbers: nanoseconds or a count."""
        return self[name].view(np.int64)

    def known_after(self, y: Floats, rows: Rows, *, count: str, wanted: str) -> Floats:
        """Return y with NaN for the first `wanted` readings; the state `count` counts up to there."""
        had, wants = self[count], self[wanted]
        if (had < wants).any():
            had_then = rows.total(np.ones(len(y))) - 1.0 + rows.spread(had)
            y[had_then < rows.spread(wants)] = UNKNOWN
            self.set(count, np.minimum(had + rows.count, wants))
        return y

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
    n_rings     how many values a kept row has, 0 = no memory of single readings
    unit        of the statistic; "{x}" stands for the unit of the series
    """

    name: str
    derive: Derive
    params: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    n_rings: int = 0
    unit: str = "{x}"
