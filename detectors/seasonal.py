"""Seasonal baseline: a reading against what is usual at this hour of the week, as a ratio.

    y = x / max(m[slot], floor)       slot = which of the 168 hours of the week (China Standard Time, from a Thursday)
    when a slot ends:  m[slot] = mean of the slot at first, then m + weight·clip(mean - m, ±clip·|m|)

The clip makes it robust: an unusual hour moves what is usual by at most weight·clip of it. Unknown until the slot was
lived through once. Memory: 168 numbers per series. The notion: regulators compare with the same weekday and time slot
of the weeks before; weight and clip are defaults of ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.operator import UNKNOWN, Lanes, Operator
from detectors.rows import WINDOW, Floats, Rows

_SLOTS = 168
_CHINA_NS = 8 * 3_600 * 1_000_000_000


def derive(rows: Rows, lanes: Lanes) -> Floats:
    owner = rows.spread(np.arange(rows.n_lanes))
    length = (rows.spread(lanes["slot_s"]) * 1e9).astype(np.int64)
    hour = (rows.t + _CHINA_NS) // length
    order = np.lexsort((rows.t, owner))
    owner, hour, x = owner[order], hour[order], rows.value[order]

    # A visit is a lane's stay in a slot; one more per lane, before the batch, is the stay that is still open.
    n = rows.n_lanes
    begins = np.ones(len(x), bool)
    begins[1:] = (owner[1:] != owner[:-1]) | (hour[1:] != hour[:-1])
    visit = n + np.cumsum(begins) - 1
    lane_of = np.concatenate([np.arange(n), owner[begins]])
    hour_of = np.concatenate([lanes.time("hour"), hour[begins]])
    total = np.concatenate([lanes["total"], np.zeros(int(begins.sum()))])
    count = np.concatenate([lanes["count"], np.zeros(int(begins.sum()))])
    # The first stay in the batch may go on with the open one.
    first = np.searchsorted(owner, np.arange(n))
    goes_on = hour[first] == lanes.time("hour")
    visit = np.where((visit == visit[first][owner]) & goes_on[owner], owner, visit)
    np.add.at(total, visit, x)
    np.add.at(count, visit, 1.0)

    usual = _chain(rows, lanes, lane=lane_of, hour=hour_of, total=total, count=count)
    y = np.empty(len(x))
    y[order] = x / np.maximum(usual[visit], rows.spread(lanes["floor"])[order])
    last = np.append(first[1:], len(x)) - 1
    for name, column in (("total", total), ("count", count)):
        lanes.set(name, column[visit[last]])
    lanes.set("hour", hour[last])
    return y


def _chain(
    rows: Rows, lanes: Lanes, *, lane: NDArray[np.intp], hour: NDArray[np.int64], total: Floats, count: Floats
) -> Floats:
    """Return what was usual at the beginning of each visit, and learn from those that have ended."""
    usual = np.full(len(lane), UNKNOWN)
    open_ = np.zeros(len(lane), bool)
    lived = np.flatnonzero(count > 0)
    open_[lived[np.lexsort((hour[lived], lane[lived]))][_last_of(lane[lived], hour[lived])]] = True
    key = lane * _SLOTS + hour % _SLOTS
    order = lived[np.lexsort((hour[lived], key[lived]))]
    fresh = np.ones(len(order), bool)
    fresh[1:] = key[order][1:] != key[order][:-1]
    nth = np.arange(len(order)) - np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    weight, clip = lanes["weight"], lanes["clip"]
    for k in range(int(nth.max(initial=-1)) + 1):  # one step per week that the batch spans
        at = order[nth == k]
        place = rows.lane[lane[at]], hour[at] % _SLOTS // WINDOW, hour[at] % _SLOTS % WINDOW
        old = lanes.ring[place]
        usual[at] = old
        mean = total[at] / count[at]
        most = clip[lane[at]] * np.abs(old)
        new = np.where(np.isnan(old), mean, old + weight[lane[at]] * np.clip(mean - old, -most, most))
        lanes.ring[place] = np.where(open_[at], old, new)
    return usual


def _last_of(lane: NDArray[np.intp], hour: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return, in the order of (lane, hour), which visit is each lane's last."""
    sorted_ = lane[np.lexsort((hour, lane))]
    return np.flatnonzero(np.append(sorted_[1:] != sorted_[:-1], True))


SEASONAL = Operator(
    "seasonal",
    derive,
    params={"floor": UNKNOWN, "slot_s": 3600.0, "weight": 0.25, "clip": 0.5},
    state={"hour": 0.0, "total": 0.0, "count": 0.0},
    n_rings=6,
    unit="1",
)
