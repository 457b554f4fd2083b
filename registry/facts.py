"""Facts: what holds of an enterprise or a device at a time because somebody ordered, permitted or declared it.

A fact becomes a series that steps between 0 and 1 (service/facts.py), so that rules and replay see it like a reading.
No Django here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from core.time import from_datetime, to_datetime

FOREVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Fact:
    """One order, permit or calendar entry.

    kind : str          a `FactKind`; the name of the signal too
    enterprise, device  primary keys; device 0: every device of the enterprise
    begin, end : int    ns; end 0 = until further notice
    since, until        hours of the day between which it holds, local; None = the whole day. `until` not after
                        `since`: the next day
    """

    id: int
    kind: str
    enterprise: int
    device: int
    begin: int
    end: int = 0
    since: time | None = None
    until: time | None = None

    def spans(self, now: int, zone: str) -> list[tuple[int, int]]:
        """Return [from, to) in ns of when it holds, complete from a day before `now` to a day after."""
        end = self.end or FOREVER
        if self.since is None or self.until is None:
            return [(self.begin, end)] if self.begin < end else []
        today = to_datetime(now).astimezone(_zone(zone)).date()
        found = []
        for days in range(-2, 4):
            day = today + timedelta(days)
            over_midnight = timedelta(1) if self.until <= self.since else timedelta()
            first = from_datetime(datetime.combine(day, self.since, _zone(zone)))
            last = from_datetime(datetime.combine(day + over_midnight, self.until, _zone(zone)))
            if max(first, self.begin) < min(last, end):
                found.append((max(first, self.begin), min(last, end)))
        return found


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
