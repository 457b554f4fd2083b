"""Rate of change between two readings: y = (x - x_before) / (t - t_before), per second, signed.

Unknown at the first reading and after a gap longer than `max_gap_s` (inf: no gap is too long).
Formula: first difference; the simplest rate alarm of ISA-18.2.
"""

from __future__ import annotations

import numpy as np

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    y = rows.value - lanes.x_before
    y /= lanes.dt_s
    y[lanes.dt_s > lanes.over(rows, "max_gap_s")] = UNKNOWN
    return y


RATE = Operator("rate", derive, params={"max_gap_s": np.inf}, unit="{x}/s")
