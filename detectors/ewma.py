"""EWMA chart: how many standard deviations a reading is from the exponentially weighted mean before it.

    d = x - m_before        y = d / max(sqrt(v_before), floor)
    m = m_before + alpha·d              v = (1 - alpha)·(v_before + alpha·d²)

Unknown for the first `warmup` readings of a series. The floor (in the unit of the series) is needed: on a constant
signal v goes to 0, and rounding would be flagged.
Source: S. W. Roberts 1959; T. Finch 2009, "Incremental calculation of weighted mean and variance".
"""

from __future__ import annotations

import numpy as np

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    alpha = lanes.over(rows, "alpha")
    keep = 1.0 - alpha
    x = rows.value
    before, variance_before = lanes["m"], lanes["v"]
    if np.isnan(before).any():  # the very first reading is the first mean
        before = np.where(np.isnan(before), rows.first(x), before)
    mean = rows.affine(keep, alpha * x, before)
    d = x - rows.before(mean, before)
    grown = d * d
    grown *= keep * alpha
    var = rows.affine(keep, grown, variance_before)
    y = np.sqrt(rows.before(var, variance_before))
    np.maximum(y, lanes.over(rows, "floor"), out=y)
    np.divide(d, y, out=y)
    lanes.set("m", rows.last(mean))
    lanes.set("v", rows.last(var))
    return lanes.known_after(y, rows, count="n", wanted="warmup")


EWMA = Operator(
    "ewma",
    derive,
    params={"alpha": 0.05, "floor": UNKNOWN, "warmup": 20.0},
    state={"m": UNKNOWN, "v": 0.0, "n": 0.0},
    unit="σ",
)
