"""Step against a long median: y = x - median of what was before, in the unit of the series.

Of each 32nd part of `window_s` the first reading is kept; unknown until eight were. The reading itself is no part
of the median, and a step must last half of the window before it becomes the new normal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import WINDOW, Floats, History, Rows

_ENOUGH = 8


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x = rows.value

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        s = windows[:, 0]
        n = WINDOW - np.isnan(s).sum(axis=1)
        s.sort(axis=1)  # NaN last
        row = np.arange(len(s))
        median = 0.5 * (s[row, np.maximum(n - 1, 0) // 2] + s[row, np.minimum(n // 2, WINDOW - 1)])
        return np.where(n >= _ENOUGH, x[here] - median, UNKNOWN)

    keep = lanes.opens(rows, "window_s", parts=WINDOW)
    y = rows.over_windows(judge, x[:, None], History(lanes.ring, lanes.time("kept"), keep))
    lanes.set("kept", lanes.time("kept") + rows.last(rows.total(keep)))
    return y


STEP = Operator("step", derive, params={"window_s": UNKNOWN}, state={"kept": 0.0}, n_rings=1)
