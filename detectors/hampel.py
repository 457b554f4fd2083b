"""Hampel: how far a reading is from the median of the 32 before it, in scaled median absolute deviations.

    y = (x - median) / max(1.4826·MAD, floor)

The floor (in the unit of the series) is needed where most readings are equal. Unknown until 32 readings were seen.
Of a sorted window no second sort is needed: deviations below and above the median are two sorted lists, so that
MAD = (max_j min(med - s_j, s_j+16 - med) + min_j max(med - s_j, s_j+16 - med)) / 2. And MAD is never less than
min(med - s_8, s_24 - med), which spares it for all readings that this already shows to be within the limits.
A replaced reading moves an order statistic by at most one rank: bounds from one sorted window hold for the two next
readings, and mostly show that these cannot be noticed, without sorting theirs.
Source: F. R. Hampel 1974; L. Davies and U. Gather 1993, "The identification of multiple outliers".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import WINDOW, Floats, History, Places, Rows

_HALF = WINDOW // 2
_LOW, _HIGH = WINDOW // 4, WINDOW - WINDOW // 4
CACHE = ("above", "below", "above_after", "below_after")
_SCALE = 1.4826  # makes MAD the standard deviation of a normal distribution


def mad_of_sorted(s: Floats, median: Floats) -> Floats:
    """Return the median absolute deviation of each sorted window of float64[WINDOW, N]."""
    below, above = median - s[:_HALF], s[_HALF:] - median
    inner: Floats = np.minimum(below, above).max(axis=0)
    outer: Floats = np.maximum(below, above).min(axis=0)
    return 0.5 * (inner + outer)


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x, floor = rows.value, rows.spread(lanes["floor"])
    above, below, above_after, below_after = (lanes[name] for name in CACHE)
    if not rows.in_rounds:
        above[:] = above_after[:] = np.inf  # that layout does not look after the bounds

    def judge(windows: Floats, here: Places, quiet: Floats, of: Places | None) -> Floats:
        s = windows[:, 0, :]
        s.sort(axis=1)
        median = s[:, _HALF - 1] + s[:, _HALF]
        median *= 0.5
        d = x[here] - median
        least = np.minimum(median - s[:, _LOW], s[:, _HIGH] - median)
        least *= _SCALE
        np.maximum(least, floor[here], out=least)
        y = d / least
        # Windows that are not full compare false, and give NaN below.
        full = np.flatnonzero(~(np.abs(y) < quiet))
        if len(full):
            mad = mad_of_sorted(s[full].T, median[full])
            y[full] = d[full] / np.maximum(_SCALE * mad, floor[here][full])
        if of is not None:
            above[of], below[of] = quiet_range(s, 1, floor[here], quiet)
            above_after[of], below_after[of] = quiet_range(s, 2, floor[here], quiet)
        return y

    def calm(here: Places, quiet: Floats, of: Places) -> NDArray[np.bool_]:
        is_calm = x[here] > above[of]
        is_calm &= x[here] < below[of]
        is_calm &= quiet > 0
        above[of], below[of] = above_after[of], below_after[of]
        above_after[of] = np.inf
        return is_calm

    return rows.over_windows(judge, x[:, None], History(lanes.ring, lanes.seen), lanes.quiet, calm)


def quiet_range(s: Floats, replaced: int, floor: Floats, quiet: Floats) -> tuple[Floats, Floats]:
    """Return between what a reading cannot be noticed after so many readings of a sorted window were replaced."""
    low = 0.5 * (s[:, _HALF - 1 - replaced] + s[:, _HALF - replaced])
    high = 0.5 * (s[:, _HALF - 1 + replaced] + s[:, _HALF + replaced])
    bound = np.minimum(low - s[:, _LOW + replaced], s[:, _HIGH - replaced] - high)
    bound *= _SCALE
    np.maximum(bound, floor, out=bound)
    bound *= quiet
    return high - bound, low + bound


HAMPEL = Operator(
    "hampel",
    derive,
    params={"floor": UNKNOWN},
    state={"above": np.inf, "below": 0.0, "above_after": np.inf, "below_after": 0.0},
    cache=CACHE,
    n_rings=1,
    unit="MAD",
)
