"""Two-sided CUSUM: how far a small lasting shift has added up, in standard deviations.

    z = clip((x - mean) / sigma, ±clip)
    s+ = min(cap, max(0, s+ + z - k))       s- = min(cap, max(0, s- - z - k))       y = s+ or -s-, the larger

`mean` and `sigma` are what is normal for the series; k is half the shift that matters, in sigma. The cap bounds how
long the sum takes to come down after a long shift; both cuts keep one wild reading from deciding for hours.
Usual limit: 4 … 5. Source: E. S. Page 1954, "Continuous inspection schemes"; D. C. Montgomery, "Introduction to
Statistical Quality Control".
"""

from __future__ import annotations

import numpy as np

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:
    clip, k = lanes.over(rows, "clip"), lanes.over(rows, "k")
    z = np.empty((2, len(rows.value)))
    up, down = z
    np.subtract(rows.value, lanes.over(rows, "mean"), out=up)
    up /= lanes.over(rows, "sigma")
    np.minimum(up, clip, out=up)
    np.maximum(up, -clip, out=up)
    np.negative(up, out=down)
    z -= k
    sums = lanes.pair("up")
    up, down = rows.climb(z, sums, lanes.over(rows, "cap"))
    sums[0], sums[1] = rows.last(up), rows.last(down)
    y: Floats = np.maximum(up, down)
    np.copysign(y, up - down, out=y)
    return y


CUSUM = Operator(
    "cusum",
    derive,
    params={"mean": UNKNOWN, "sigma": UNKNOWN, "k": 0.5, "cap": 20.0, "clip": 10.0},
    state={"up": 0.0, "down": 0.0},
    unit="σ",
)
