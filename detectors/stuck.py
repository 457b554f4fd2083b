"""Stuck value: for how many seconds a reading has not moved by more than `eps` from one reading to the next.

    |x - x_before| <= eps keeps the beginning, anything else (and a gap longer than max_gap_s) begins again at t
    y = t - beginning, in seconds

Unknown is no evidence: silence does not make a value stuck. Rule Q-04 of ours; limits are per series.
"""

from __future__ import annotations

import numpy as np

from detectors.operator import Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    # Where nothing is before it (NaN), a reading has not stayed: it begins a run.
    step = rows.value - lanes.x_before
    stayed = np.abs(step, out=step) <= lanes.over(rows, "eps")
    stayed &= lanes.dt_s <= lanes.over(rows, "max_gap_s")
    moved = np.logical_not(stayed, out=stayed)
    began = lanes.time("since")
    if np.count_nonzero(began) < len(began):
        began = np.where(began == 0, rows.first(rows.t), began)
    since = rows.fill(rows.t, moved, began)
    lanes.set("since", rows.last(since))
    y: Floats = (rows.t - since) / 1e9
    return y


STUCK = Operator("stuck", derive, params={"eps": 0.0, "max_gap_s": np.inf}, state={"since": 0.0}, unit="s")
