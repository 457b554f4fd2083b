"""Mean over a window of time; with `above` given, the duty cycle: the share of time that the signal was above it.

Each reading holds until the next one, for at most `max_gap_s`; time without a reading counts for neither side.
Kept are the sums of each 30th part of the window, so the window's far end is exact to that. Unknown while less than
half of the window was seen. Duty cycle of welders: a window of 10 minutes (IEC 60974-1's base, unverified).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, History, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    above = lanes.over(rows, "above")
    held = np.where(np.isnan(above), lanes.x_before, (lanes.x_before > above) * 1.0)
    seen = ~np.isnan(lanes.x_before) & (lanes.dt_s <= lanes.over(rows, "max_gap_s"))
    dt = np.where(seen, lanes.dt_s, 0.0)
    area = np.where(seen, held * dt, 0.0)
    closes = lanes.opens(rows, "window_s", parts=30)
    stays = (~closes).astype(np.float64)
    sums = []
    for name, part in (("area", area), ("time", dt)):
        after = rows.affine(stays, part * stays, lanes[name])
        sums.append(rows.before(after, lanes[name]) + part)
        lanes.set(name, rows.last(after))
    t, window = rows.t * 1e-9, rows.spread(lanes["window_s"])

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        there = windows[:, 0] > (t[here] - window[here])[:, None]
        total = np.where(there, windows[:, 1], 0.0).sum(axis=1) + sums[0][here]
        time = np.where(there, windows[:, 2], 0.0).sum(axis=1) + sums[1][here]
        y: Floats = np.divide(total, time, out=np.full(len(time), UNKNOWN), where=time >= 0.5 * window[here])
        return y

    history = History(lanes.ring, lanes.time("kept"), closes)
    y = rows.over_windows(judge, np.column_stack([t, *sums]), history)
    lanes.set("kept", lanes.time("kept") + rows.last(rows.total(closes)))
    return y


MEAN = Operator(
    "mean",
    derive,
    params={"window_s": UNKNOWN, "above": UNKNOWN, "max_gap_s": np.inf},
    state={"kept": 0.0, "area": 0.0, "time": 0.0},
    n_rings=3,
)
