"""Slope over a window: least squares through the last `window_s` seconds, in units per second.

    y = (n·Σat - Σa·Σt) / (n·Σtt - (Σt)²),  a = x - x_now, t = time - now, over n points

The points are the reading itself and, of each 30th part of the window, its first reading: a fixed memory for any
sampling rate. Unknown while the points are fewer than three or cover less than half of the window.
Source: ordinary least squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, History, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x, t = rows.value, rows.t * 1e-9
    window = rows.spread(lanes["window_s"])

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        age = windows[:, 0] - t[here, None]
        there = age >= -window[here, None]  # False where nothing was pushed yet
        age = np.where(there, age, 0.0)
        rise = np.where(there, windows[:, 1] - x[here, None], 0.0)
        n = there.sum(axis=1) + 1
        total = age.sum(axis=1)
        below = n * (age * age).sum(axis=1) - total * total
        known = (n >= 3) & (age.min(axis=1) <= -0.5 * window[here])
        above = n * (rise * age).sum(axis=1) - rise.sum(axis=1) * total
        y: Floats = np.divide(above, below, out=np.full(len(n), UNKNOWN), where=known & (below > 0))
        return y

    keep = lanes.opens(rows, "window_s", parts=30)
    history = History(lanes.ring, lanes.time("kept"), keep)
    y = rows.over_windows(judge, np.column_stack([t, x]), history)
    lanes.set("kept", lanes.time("kept") + rows.last(rows.total(keep)))
    return y


SLOPE = Operator("slope", derive, params={"window_s": UNKNOWN}, state={"kept": 0.0}, n_rings=2, unit="{x}/s")
