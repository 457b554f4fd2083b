"""Rota: who is on duty at a time, and who takes over when; pure.

All arithmetic is on calendar days in the rota's own zone, and only then turned into instants.  So a turn begins
at eight by the wall clock on both sides of a change of summer time, and a night belongs to the day it began on.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.time import DAY, from_datetime, to_datetime
from registry.rota import Layer, Rota, Turn
from registry.words import DutyDays, TurnUnit

WorkDay = Callable[[date], bool]
# How far ahead a handover is looked for, in days: a rota that does not change within a year does not change.
_HORIZONS = (8, 64, 400)


@dataclass(frozen=True, slots=True)
class Shift:
    """From `begin` to `end` (ns) the same people are on duty; nobody = a hole."""

    begin: int
    end: int
    who: Turn


def on_duty(rota: Rota, now: int, work_day: WorkDay) -> Turn:
    """Return the codes of whoever is on duty, nobody = ().

    now : int ns · work_day : date -> is it a working day?
    """
    who: Turn = ()
    for layer in reversed(rota.layers):
        if who := _of_layer(layer, now, ZoneInfo(rota.zone), work_day):
            break
    return _overridden(rota, who, now)


def shifts(rota: Rota, begin: int, end: int, work_day: WorkDay) -> list[Shift]:
    """Return who is on duty from `begin` to `end` (ns), in order and without gaps; holes have nobody."""
    found: list[Shift] = []
    starts = [begin, *sorted(t for t in _edges(rota, begin, end) if begin < t < end)]
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        who = on_duty(rota, start, work_day)
        if found and found[-1].who == who:
            found[-1] = Shift(found[-1].begin, stop, who)
        else:
            found.append(Shift(start, stop, who))
    return found


def next_handover(rota: Rota, now: int, work_day: WorkDay) -> int | None:
    """Return when somebody else is next on duty, ns; None when nothing changes within 400 days."""
    for days in _HORIZONS:
        found = shifts(rota, now, now + days * DAY, work_day)
        if len(found) > 1:
            return found[1].begin
    return None


def next_edge(rota: Rota, now: int) -> int | None:
    """Return an instant up to which nothing changes, ns > now; cheap, and often earlier than the next handover."""
    return min((t for t in _edges(rota, now, now + DAY) if t > now), default=None)


def _of_layer(layer: Layer, now: int, zone: ZoneInfo, work_day: WorkDay) -> Turn:
    today = to_datetime(now).astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        start, end = _hours(layer, day, zone)
        if start <= now < end and _counts(layer, day, work_day):
            return layer.turns[_number(layer, day) % len(layer.turns)]
    return ()


def _hours(layer: Layer, day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the instants between which the duty of a day lies."""
    last = day if layer.end > layer.begin else day + timedelta(days=1)
    return _instant(day, layer.begin, zone), _instant(last, layer.end, zone)


@lru_cache(maxsize=16384)
def _instant(day: date, at: time, zone: ZoneInfo) -> int:
    """Return the instant of a wall clock; one that is skipped lies behind the gap, of two the first counts."""
    return from_datetime(datetime.combine(day, at, zone))


def _counts(layer: Layer, day: date, work_day: WorkDay) -> bool:
    if day < layer.start or (layer.until is not None and day > layer.until):
        return False
    return layer.days == DutyDays.ALL or work_day(day) == (layer.days == DutyDays.WORK)


def _number(layer: Layer, day: date) -> int:
    """Return the number of a day's turn, from 0 on the first."""
    if layer.every == TurnUnit.MONTH:
        return _months(layer.start, day) // layer.n
    span = layer.n * (7 if layer.every == TurnUnit.WEEK else 1)
    return (day - layer.start).days // span


def _months(start: date, day: date) -> int:
    """Return the whole months since `start`; what began on a 31st goes on at the end of shorter months."""
    begins = min(start.day, monthrange(day.year, day.month)[1])
    return (day.year - start.year) * 12 + day.month - start.month - (day.day < begins)


def _overridden(rota: Rota, who: Turn, now: int) -> Turn:
    """Replace everybody first, then one by another: all at once, so that two who swap do swap."""
    another: dict[str, Turn] = {}
    for override in rota.overrides:
        if not override.begin <= now < override.end:
            continue
        if override.instead_of:
            another[override.instead_of] = override.who
        else:
            who = override.who
    return tuple(dict.fromkeys(code for one in who for code in another.get(one, (one,))))


def _edges(rota: Rota, begin: int, end: int) -> Iterator[int]:
    """Yield every instant at which something may change; some lie outside."""
    zone = ZoneInfo(rota.zone)
    day = to_datetime(begin).astimezone(zone).date() - timedelta(days=1)
    last = to_datetime(end).astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        for layer in rota.layers:
            yield from _hours(layer, day, zone)
        day += timedelta(days=1)
    for override in rota.overrides:
        yield from (override.begin, override.end)
