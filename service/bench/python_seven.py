"""The seven methods of the benchmark in plain Python: one object per series, one reading at a time."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque


class _Series:
    __slots__ = ("down", "flat", "m", "n", "ordered", "since", "t", "theta", "up", "v", "window", "x")

    def __init__(self) -> None:
        self.n = 0
        self.t = self.flat = 0
        self.x = self.m = self.v = self.up = self.down = self.theta = 0.0
        self.since = [0, 0, 0, 0]
        self.window: deque[float] = deque()
        self.ordered: list[float] = []


class Seven:
    """Threshold, rate, EWMA, CUSUM, Hampel, stuck, thermal."""

    def __init__(self) -> None:
        self.of: dict[int, _Series] = {}

    def take(self, series: int, t: int, x: float) -> list[int]:
        """Return which of the seven say something of this reading."""
        s = self.of.get(series)
        if s is None:
            s = self.of[series] = _Series()
        said = self._threshold(s, t, x)
        if s.n:
            dt = (t - s.t) / 1e9
            if abs(x - s.x) > 3.0 * dt:
                said.append(1)
            if abs(x - s.x) > 0.0:
                s.flat = t
            if t - s.flat >= 3600 * 10**9:
                said.append(5)
            passed = -dt / 600.0
            heat = (max(abs(x), abs(s.x)) / 60.0) ** 2
            s.theta = s.theta * math.exp(passed) - math.expm1(passed) * heat
            if s.theta >= 1.2:
                said.append(6)
        else:
            s.m, s.flat = x, t
        d = x - s.m
        if s.n >= 20 and abs(d) > 6.0 * max(math.sqrt(s.v), 0.1):
            said.append(2)
        s.m += 0.05 * d
        s.v = 0.95 * (s.v + 0.05 * d * d)
        z = min(max((x - 50.0) / 3.0, -10.0), 10.0)
        s.up = min(20.0, max(0.0, s.up + z - 0.5))
        s.down = min(20.0, max(0.0, s.down - z - 0.5))
        if s.up > 12.0 or s.down > 12.0:
            said.append(3)
        if self._hampel(s, x):
            said.append(4)
        s.t, s.x = t, x
        s.n += 1
        return said

    @staticmethod
    def _threshold(s: _Series, t: int, x: float) -> list[int]:
        said = []
        for n, beyond in enumerate((x >= 66.0, x >= 70.0, x <= 34.0, x <= 30.0)):
            if not beyond:
                s.since[n] = 0
            elif not s.since[n]:
                s.since[n] = t
            elif t - s.since[n] >= 30 * 10**9:
                said.append(0)
        return said

    @staticmethod
    def _hampel(s: _Series, x: float) -> bool:
        far = False
        if len(s.window) == 32:
            o = s.ordered
            middle = 0.5 * (o[15] + o[16])
            deviations = sorted([abs(w - middle) for w in o])
            mad = 0.5 * (deviations[15] + deviations[16])
            far = abs(x - middle) > 10.0 * max(1.4826 * mad, 0.1)
            del o[bisect_left(o, s.window.popleft())]
        s.window.append(x)
        insort(s.ordered, x)
        return far
