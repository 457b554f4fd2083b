"""Count: how often a reading rose to `above` within the last `window_s` seconds, this one included.

    y = number of readings k with x >= above, not x_before >= above, and t_k > t - window_s

A first reading at or beyond `above` counts, for a sensor that speaks on change has nothing to say before. At most 32
rises are remembered, so y is 33 at the most. Source: none, it is what people mean by "three times in ten minutes".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, History, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    above = lanes.over(rows, "above")
    rises = (rows.value >= above) & ~(lanes.x_before >= above)
    t = rows.t * 1e-9
    since = t - rows.spread(lanes["window_s"])

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        earlier = (windows[:, 0] > since[here, None]).sum(axis=1)  # False where nothing was pushed yet
        y: Floats = (earlier + rises[here]).astype(np.float64)
        return y

    history = History(lanes.ring, lanes.time("kept"), rises)
    y = rows.over_windows(judge, np.column_stack([t]), history)
    lanes.set("kept", lanes.time("kept") + rows.last(rows.total(rises)))
    return y


COUNT = Operator(
    "count", derive, params={"above": UNKNOWN, "window_s": UNKNOWN}, state={"kept": 0.0}, n_rings=1, unit="1"
)
