"""Production state from power: 1 while a machine works, 0 while it idles or stands.

    idle   the 20th percentile of the lowest reading of each of the last 32 days; before three: `idle`
    on     x >= idle + margin;  off  x < idle + 0.8·margin;  between them as before
    y      1 when on in two of the last three readings

Days are those of China Standard Time. The margin is 10 % of the rated power by default of ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import WINDOW, Floats, History, Rows

_DAY_S = 86_400.0
_CHINA_NS = 8 * 3_600 * 1_000_000_000


def derive(rows: Rows, lanes: Lanes) -> Floats:
    x, given = rows.value, rows.spread(lanes["idle"])
    new_day = lanes.opens(rows, "day_s", offset_ns=_CHINA_NS)
    low = rows.lowest(x, new_day, lanes["low"])
    # What a new day pushes is the lowest of the day before; before the first reading there was none.
    of_yesterday = rows.before(low, lanes["low"])
    keep = new_day & np.isfinite(of_yesterday)

    def judge(windows: Floats, here: NDArray[np.intp]) -> Floats:
        s = windows[:, 0]
        n = WINDOW - np.isnan(s).sum(axis=1)
        s.sort(axis=1)
        learned = s[np.arange(len(s)), (0.2 * n).astype(np.intp)]
        return np.where(n >= 3, learned, given[here])

    history = History(lanes.ring, lanes.time("kept"), keep)
    idle = rows.over_windows(judge, of_yesterday[:, None], history)
    margin = lanes.over(rows, "margin")
    on, off = x >= idle + margin, x < idle + 0.8 * margin
    works: Floats = rows.fill(on.astype(np.float64), on | off, lanes["works"])
    before = rows.before(works, lanes["works"])
    earlier = rows.before(before, lanes["worked"])
    y: Floats = (works + before + earlier >= 2.0).astype(np.float64)
    lanes.set("kept", lanes.time("kept") + rows.last(rows.total(keep)))
    lanes.set("low", rows.last(low))
    lanes.set("worked", rows.last(before))
    lanes.set("works", rows.last(works))
    return y


PRODUCTION = Operator(
    "production",
    derive,
    params={"idle": 0.0, "margin": UNKNOWN, "day_s": _DAY_S},
    state={"kept": 0.0, "low": np.inf, "works": 0.0, "worked": 0.0},
    n_rings=1,
    unit="1",
)
