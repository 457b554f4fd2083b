"""When: times as foreign gateways write them, made int64 nanoseconds.

Formats are strptime patterns, or one of the words
    epoch   seconds, ms, µs or ns since 1970, told by magnitude; also as text
    iso     2026-11-21T09:00:00Z, 2026-11-21 09:00, 2026/11/21 9:00:00.5, 20261121T090000+08:00, 2026年11月21日 9时0分
    digits  20261121090000, with up to six digits of a fraction behind it; as a number too
A time without a zone is local time of the gateway, but where a pattern with %Z finds UTC or GMT.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from core.reject import Reason
from core.time import from_datetime
from ingest.formats.contract import Refusal, as_time, brief
from ingest.instant import LARGEST

ANY = ("digits", "epoch", "iso")
_UTC = re.compile(r"\b(?:UTC|GMT|Z)\b")
_DIGITS = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{0,6})")
_EPOCH = re.compile(r"\d{9,19}(?:\.\d{1,9})?|/Date\((\d{12,14})(?:[+-]\d{4})?\)/")
# As people and spreadsheets write it: 2026/11/21 9:05, 2026年11月21日 9时5分3秒.
_WRITTEN = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ T]*(\d{1,2})[:时](\d{1,2})[:分]?(\d{1,2})?(?:[.,](\d{1,6}))?秒?"
)
# As an epoch these numbers would be ms, or µs, of the years 2594 to 2635.
_COMPACT = range(19_700_101_000_000, 21_000_101_000_000)
_COMPACT_MS = range(19_700_101_000_000_000, 21_000_101_000_000_000)


def as_instant(raw: Any, zone: ZoneInfo, formats: tuple[str, ...] = ANY) -> int:
    """Return an instant that `instant.nanoseconds` reads; raises Refusal (bad_time) when no format fits.

    zone : of times that name none
    """
    if isinstance(raw, int) and (raw in _COMPACT or raw in _COMPACT_MS) and "digits" in formats:
        raw = str(raw)
    if isinstance(raw, str):
        return _from_text(raw.strip(), zone, formats)
    if "epoch" not in formats:
        raise Refusal(Reason.BAD_TIME, f"{brief(raw)} is not a time like {', '.join(formats)}")
    return as_time(raw)


@lru_cache(maxsize=4096)
def _from_text(text: str, zone: ZoneInfo, formats: tuple[str, ...]) -> int:
    if len(text) <= 64:
        for form in formats:
            found = _read(text, zone, form)
            if found is not None:
                return found
    raise Refusal(Reason.BAD_TIME, f"{brief(text)} is not a time like {', '.join(formats)}")


def _read(text: str, zone: ZoneInfo, form: str) -> int | None:
    try:
        if form == "digits":
            match = _DIGITS.fullmatch(text)
            return _local(_from_digits(match), zone) if match else None
        if form == "epoch":
            return _from_epoch(text)
        if form == "iso":
            return _local(_from_written(text), zone)
        found = datetime.strptime(text, form)  # noqa: DTZ007 - _local adds the zone
        return _local(found.replace(tzinfo=UTC) if "%Z" in form and _UTC.search(text) else found, zone)
    except (ValueError, OverflowError):
        return None


def _from_epoch(text: str) -> int | None:
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    text = match[1] or text
    return as_time(float(text)) if "." in text else as_time(int(text))


def _from_written(text: str) -> datetime:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return datetime.fromisoformat(text.replace("/", "-"))
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    return datetime(year, month, day, hour, minute, second, int((match[7] or "").ljust(6, "0")))  # noqa: DTZ001 - local


def _from_digits(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    return datetime(year, month, day, hour, minute, second, int(match[7].ljust(6, "0")))  # noqa: DTZ001 - local


def _local(moment: datetime, zone: ZoneInfo) -> int:
    t = from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    # What is before 1973 in ns would be taken for µs; it is too old in any unit.  The year 3000 is no int64.
    return min(t, LARGEST) if t >= 10**17 else max(0, t // 10**9)
