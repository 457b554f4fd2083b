"""Counter: how much a meter's register grew since the last reading; negative when it went back.

    y = x - x_before; where that is negative and a wrap at `modulus` explains it by at most `most`, y + modulus

A register that was exchanged, reset or manipulated goes back, and the limit is a low one at 0. Unknown at first.
"""

from __future__ import annotations

import numpy as np

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    y = rows.value - lanes.x_before
    wrapped = y + lanes.over(rows, "modulus")
    return np.where((y < 0) & (wrapped >= 0) & (wrapped <= lanes.over(rows, "most")), wrapped, y)


COUNTER = Operator("counter", derive, params={"modulus": UNKNOWN, "most": UNKNOWN})
