"""Working hours: when a plant produces, and what follows from having produced for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from simulators.noise import between

DAY_S = 86_400
# The town lies in China: one zone, no summer time.
LOCAL_OFFSET_S = 8 * 3_600
SUNDAY = 3  # 1970-01-01 was a Thursday, so day % 7 == 3 is a Sunday

Interval = tuple[float, float]


def local_day(t: float) -> int:
    """Return the number of the local day that holds `t` (s since 1970)."""
    return int((t + LOCAL_OFFSET_S) // DAY_S)


def local_hour(t: float) -> float:
    """Return the local time of day in hours."""
    return (t + LOCAL_OFFSET_S) % DAY_S / 3_600


@dataclass(frozen=True, slots=True)
class Shifts:
    """The hours in which a plant produces.

    hours : ((start, end), ...)  local hours; ((0, 24),) never stops
    sundays : bool               whether it produces on Sundays
    """

    name: str
    hours: tuple[Interval, ...]
    sundays: bool
    seed: int

    def of_day(self, day: int) -> tuple[Interval, ...]:
        """Return the intervals of a local day, s since 1970; people start some minutes late and end early."""
        return _of_day(self, day)

    def intervals(self, since: float, until: float) -> list[Interval]:
        """Return the intervals that touch [since, until]."""
        days = range(local_day(since), local_day(until) + 1)
        return [one for day in days for one in self.of_day(day) if one[0] <= until and one[1] >= since]

    def on(self, t: float, *, before_s: float = 0.0, after_s: float = 0.0) -> bool:
        """Say whether it produces, or will within `before_s`, or did within the last `after_s`."""
        return bool(self.intervals(t - after_s, t + before_s))

    def since_on_s(self, t: float) -> float:
        """Return how long it has been producing; 0 when it is not."""
        running = self.intervals(t, t)
        if not running:
            return 0.0
        start = running[0][0]
        # Round the clock, days join: then it has been running for longer than anything here remembers.
        return t - start if start > t - DAY_S and self.hours != ((0, 24),) else float(DAY_S)

    def lagged(self, t: float, tau_s: float) -> float:
        """Return the answer (0..1) of a body with time constant `tau_s` that is heated while it produces.

        Exact for a first-order lag: each interval [a, b] leaves e^-(t-b)/tau - e^-(t-a)/tau behind.
        """
        answer = 0.0
        for start, end in self.intervals(t - 8 * tau_s, t):
            answer += math.exp(-max(0.0, t - end) / tau_s) - math.exp(-(t - start) / tau_s)
        return answer

    def total_s(self, t: float, since_day: int) -> float:
        """Return the seconds of production between the start of `since_day` and `t`."""
        today = local_day(t)
        return _total_s(self, since_day, today) + sum(
            min(end, t) - start for start, end in self.of_day(today) if start < t
        )


@lru_cache(maxsize=65_536)
def _of_day(shifts: Shifts, day: int) -> tuple[Interval, ...]:
    if day % 7 == SUNDAY and not shifts.sundays:
        return ()
    midnight = day * DAY_S - LOCAL_OFFSET_S
    return tuple(
        (
            midnight + start * 3_600 + (between(0, 420, shifts.seed, day, start) if start % 24 else 0.0),
            midnight + end * 3_600 - (between(0, 420, shifts.seed, day, end) if end % 24 else 0.0),
        )
        for start, end in shifts.hours
    )


@lru_cache(maxsize=4_096)
def _total_s(shifts: Shifts, since_day: int, until_day: int) -> float:
    days = range(since_day, until_day)
    return sum(end - start for day in days for start, end in shifts.of_day(day))


def day_shift(seed: int) -> Shifts:
    """Return one shift with a break at noon, closed on Sundays."""
    return Shifts("day", ((8.0, 12.0), (13.0, 17.5)), sundays=False, seed=seed)


def two_shifts(seed: int) -> Shifts:
    """Return two shifts, Sundays too."""
    return Shifts("two", ((7.0, 11.5), (12.0, 15.5), (15.75, 19.5), (20.0, 23.5)), sundays=True, seed=seed)


def round_the_clock(seed: int) -> Shifts:
    """Return a plant that never stops."""
    return Shifts("always", ((0, 24),), sundays=True, seed=seed)
