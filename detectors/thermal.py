"""Thermal overload: the thermal level of a conductor or motor from its current (IEC 60255-149 form).

    theta' = heat + (theta - heat)·exp(-dt / tau)       heat = (I / k_ib)²

exact for a current that is constant over dt; between two readings the current is the larger of the two, so that
the level is never less than what was seen. theta = 1 is the level that the continuous limit k·I_B reaches after
a long time; the trip time from a preload I_p is tau·ln((I² - I_p²) / (I² - (k·I_B)²)).
Over a gap the larger of both readings is taken for its whole length: unknown is never taken for cooling. The first
reading starts from cold (0). Cooling uses the same tau.
Source: IEC 60255-149 (formerly 60255-8), as makers' manuals give it.
"""

from __future__ import annotations

import numpy as np

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    heat = np.abs(lanes.x_before)
    np.fmax(np.abs(rows.value), heat, out=heat)
    heat /= lanes.over(rows, "k_ib")
    heat *= heat
    cooled = lanes.dt_s / lanes.over(rows, "tau_s")
    cooled[np.isnan(lanes.x_before)] = 0.0  # nothing passes before the first reading
    np.expm1(np.negative(cooled, out=cooled), out=cooled)
    heat *= cooled
    theta = rows.affine(1.0 + cooled, np.negative(heat, out=heat), lanes["theta"])
    lanes.set("theta", rows.last(theta))
    return theta


THERMAL = Operator(
    "thermal", derive, params={"tau_s": UNKNOWN, "k_ib": UNKNOWN}, state={"theta": 0.0}, unit="1"
)
