"""Time as int64 nanoseconds since 1970-01-01T00:00Z, and the words people read for it.

`clock_ns` is the only place that reads a clock; everything else is handed `now`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

CHINA = ZoneInfo("Asia/Shanghai")


def clock_ns() -> int:
    """Return the wall clock; call it once per batch, at the edge."""
    return time.time_ns()


def seconds(duration_s: float) -> int:
    """Return a duration in seconds as nanoseconds."""
    return round(duration_s * SECOND)


def to_datetime(t_ns: int) -> datetime:
    """Return an aware UTC datetime, cut to microseconds as PostgreSQL keeps them."""
    whole_s, rest_ns = divmod(int(t_ns), SECOND)
    return datetime.fromtimestamp(whole_s, UTC).replace(microsecond=rest_ns // 1000)


def from_datetime(moment: datetime) -> int:
    """Return the nanoseconds of an aware datetime, exactly (float seconds lose microseconds)."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1000


def local_text(t_ns: int, zone: ZoneInfo = CHINA) -> str:
    """Return `2026-11-21 09:00:00`, as an officer reads it."""
    return to_datetime(t_ns).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
