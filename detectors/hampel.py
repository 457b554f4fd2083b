"""Hampel: how far a reading is from the median of the 32 before it, in scaled median absolute deviations.

    y = (x - median) / max(1.4826·MAD, floor)

The floor (in the unit of the series) is needed where most readings are equal. Unknown until 32 readings were seen.
Of a sorted window no second sort is needed: deviations below and above the median are two sorted lists, so that
MAD = (max_j min(med - s_j, s_j+16 - med) + min_j max(med - s_j, s_j+16 - med)) / 2. And half of the window is not
further than MAD from the median, so that MAD is never less than half of the shortest range that holds so many. A
window without its oldest values bounds both for as long as the others stay in it: one sort mostly shows for several
readings in a row that they are within the limits (quiet_range).
Source: F. R. Hampel 1974; L. Davies and U. Gather 1993, "The identification of multiple outliers".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import OUTLIVED, WINDOW, Floats, History, Rows, Spared

_HALF = WINDOW // 2
CACHE = ("above", "below", "until")
_SCALE = 1.4826  # makes MAD the standard deviation of a normal distribution


def mad_of_sorted(s: Floats, median: Floats) -> Floats:
    """Return the median absolute deviation of each sorted window of float64[WINDOW, N]."""
    below, above = median - s[:_HALF], s[_HALF:] - median
    inner: Floats = np.minimum(below, above).max(axis=0)
    outer: Floats = np.maximum(below, above).min(axis=0)
    return 0.5 * (inner + outer)


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x, floor = rows.value, lanes.over(rows, "floor")

    def floor_of(here: NDArray[np.intp]) -> Floats:
        return floor[here] if floor.ndim else floor

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        s = windows[:, 0, :]
        s.sort(axis=1)  # NaN last: a window that is not full has no median
        median = 0.5 * (s[:, _HALF - 1] + s[:, _HALF])
        spread = np.maximum(_SCALE * mad_of_sorted(s.T, median), floor_of(here))
        y: Floats = np.where(np.isnan(s[:, -1]), UNKNOWN, (x[here] - median) / spread)
        return y

    def outline(s: Floats, here: NDArray[np.intp], quiet: Floats) -> tuple[Floats, Floats]:
        return quiet_range(s, floor_of(here), quiet)

    spared = Spared(
        outline,
        lanes.quiet,
        above=lanes["above"],
        below=lanes["below"],
        until=lanes.time("until"),
    )
    return rows.over_windows(judge, x[:, None], History(lanes.ring, lanes.seen), spared)


def quiet_range(s: Floats, floor: Floats, quiet: Floats) -> tuple[Floats, Floats]:
    """Return between what a reading is less than `quiet` from the median, whatever the OUTLIVED missing values are.

    s float64[N, WINDOW] sorted windows, where inf stands for these values. With the missing values back, an order
    statistic is at most so many ranks lower, and not higher; and of the half within MAD, so many may be missing.
    """
    s = s.T[: WINDOW - OUTLIVED].copy()  # side by side
    fewest = _HALF - 1 - OUTLIVED
    low, high = s[fewest] + s[fewest + 1], s[_HALF - 1] + s[_HALF]
    with np.errstate(invalid="ignore"):  # where a window is not full
        bound = np.minimum.reduce(s[fewest:] - s[: _HALF + 1], axis=0)
        bound *= 0.5 * _SCALE
        np.maximum(bound, floor, out=bound)
        bound *= quiet
        low *= 0.5
        high *= 0.5
        high -= bound
        low += bound
    return high, low


HAMPEL = Operator(
    "hampel",
    derive,
    params={"floor": UNKNOWN},
    state={"above": np.inf, "below": 0.0, "until": 0.0},
    cache=CACHE,
    n_rings=1,
    unit="MAD",
)
