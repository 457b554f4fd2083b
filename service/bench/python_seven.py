"""The seven methods of the benchmark in plain Python: one object per series, one reading at a time.

The same limits with deadband and on-delay as the bank's (service/bench/detectors.py), written as somebody would who
wants them right and not slow: sorted windows by bisection, and a level that is at rest costs one comparison.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

_DEADBAND, _ON_DELAY = 0.5, 30 * 10**9
# Per method (sign, limit) of its levels, in the order of `_Series.statistics`.
_LEVELS = (
    ((1, 66.0), (1, 70.0), (-1, -34.0), (-1, -30.0)),
    ((1, 3.0), (-1, 3.0)),
    ((1, 6.0), (-1, 6.0)),
    ((1, 12.0), (-1, 12.0)),
    ((1, 10.0), (-1, 10.0)),
    ((1, 3600.0),),
    ((1, 1.2),),
)


class _Series:
    __slots__ = ("down", "flat", "latches", "m", "n", "ordered", "t", "theta", "up", "v", "window", "x")

    def __init__(self) -> None:
        self.n = 0
        self.t = self.flat = 0
        self.x = self.m = self.v = self.up = self.down = self.theta = 0.0
        self.window: deque[float] = deque()
        self.ordered: list[float] = []
        # (method, level) -> [first time beyond the limit, raised?]; only levels that are not at rest.
        self.latches: dict[tuple[int, int], list[int]] = {}

    def statistics(self, t: int, x: float) -> tuple[float, ...]:
        """Return the seven statistics of a reading, NaN where unknown."""
        rate, flat_s = math.nan, 0.0
        if self.n:
            dt = (t - self.t) / 1e9
            rate = (x - self.x) / dt
            if x != self.x:
                self.flat = t
            flat_s = (t - self.flat) / 1e9
            passed = -dt / 600.0
            heat = (max(abs(x), abs(self.x)) / 60.0) ** 2
            self.theta = self.theta * math.exp(passed) - math.expm1(passed) * heat
        else:
            self.m, self.flat = x, t
        d = x - self.m
        chart = d / max(math.sqrt(self.v), 0.1) if self.n >= 20 else math.nan
        self.m += 0.05 * d
        self.v = 0.95 * (self.v + 0.05 * d * d)
        z = min(max((x - 50.0) / 3.0, -10.0), 10.0)
        self.up = min(20.0, max(0.0, self.up + z - 0.5))
        self.down = min(20.0, max(0.0, self.down - z - 0.5))
        shift = self.up if self.up >= self.down else -self.down
        hampel = self._hampel(x)
        self.t, self.x = t, x
        self.n += 1
        return x, rate, chart, shift, hampel, flat_s, self.theta

    def _hampel(self, x: float) -> float:
        y = math.nan
        o = self.ordered
        if len(o) == 32:
            middle = 0.5 * (o[15] + o[16])
            deviations = sorted([abs(w - middle) for w in o])
            mad = 0.5 * (deviations[15] + deviations[16])
            y = (x - middle) / max(1.4826 * mad, 0.1)
            del o[bisect_left(o, self.window.popleft())]
        self.window.append(x)
        insort(o, x)
        return y


class Seven:
    """Threshold, rate, EWMA, CUSUM, Hampel, stuck, thermal, each behind its limits."""

    def __init__(self) -> None:
        self.of: dict[int, _Series] = {}

    def take(self, series: int, t: int, x: float) -> list[tuple[int, int, bool]]:
        """Return (method, level, raised?) of every edge that a reading makes."""
        s = self.of.get(series)
        if s is None:
            s = self.of[series] = _Series()
        edges: list[tuple[int, int, bool]] = []
        latches = s.latches
        for method, y in enumerate(s.statistics(t, x)):
            for level, (sign, limit) in enumerate(_LEVELS[method]):
                if sign * y >= limit:
                    latch = latches.setdefault((method, level), [t, 0])
                    if not latch[1] and t - latch[0] >= _ON_DELAY:
                        latch[1] = 1
                        edges.append((method, level, True))
                elif latches and sign * y < limit - _DEADBAND:
                    gone = latches.pop((method, level), None)
                    if gone and gone[1]:
                        edges.append((method, level, False))
        return edges
