"""Hampel: how far a reading is from the median of the 32 before it, in scaled median absolute deviations.

    y = (x - median) / max(1.4826·MAD, floor)

The floor (in the unit of the series) is needed where most readings are equal. Unknown until 32 readings were seen.
Of a sorted window no second sort is needed: deviations below and above the median are two sorted lists, so that
MAD = (max_j min(med - s_j, s_j+16 - med) + min_j max(med - s_j, s_j+16 - med)) / 2.
Source: F. R. Hampel 1974; L. Davies and U. Gather 1993, "The identification of multiple outliers".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import WINDOW, Floats, Rows

_HALF = WINDOW // 2


def median_and_mad(windows: Floats) -> tuple[Floats, Floats]:
    """Return both of each row of float64[N, WINDOW]; sorts in place; NaN when a value is missing."""
    windows.sort(axis=1)
    s = windows.T
    median = 0.5 * (s[_HALF - 1] + s[_HALF])
    below = median[:, None] - windows[:, :_HALF]
    above = windows[:, _HALF:] - median[:, None]
    inner = np.minimum(below, above).max(axis=1)
    outer = np.maximum(below, above).min(axis=1)
    missing = np.isnan(s[-1])
    mad = 0.5 * (inner + outer)
    if missing.any():
        median[missing] = mad[missing] = UNKNOWN
    return median, mad


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x, floor = rows.value, rows.spread(lanes["floor"])

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        median, mad = median_and_mad(windows[:, 0, :])
        return (x[here] - median) / np.maximum(1.4826 * mad, floor[here])

    return rows.over_windows(judge, x[:, None], lanes.ring, lanes.seen, None)


HAMPEL = Operator("hampel", derive, params={"floor": UNKNOWN}, n_rings=1, unit="MAD")
