"""Rotas as iCalendar (RFC 5545): shifts for people's own calendars, and somebody else's calendar as overrides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from alerts.rota import WorkDay, shifts
from core.time import from_datetime, to_datetime
from registry.rota import Override, Rota

# Beside commas, Chinese hands write these between names.
_BETWEEN = str.maketrans("，、;；+&/", ",,,,,,,")


@dataclass(slots=True)
class Found:
    """What a calendar holds for a rota; `problems` are events that name nobody we know."""

    overrides: list[Override] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def export(rotas: Iterable[Rota], begin: int, end: int, work_day: WorkDay, names: Mapping[str, str]) -> bytes:
    """Return the shifts from `begin` to `end` (ns) as a calendar.  names : code -> what people call them"""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Fengsui//duty rota//ZH")
    calendar.add("version", "2.0")
    for rota in rotas:
        for shift in shifts(rota, begin, end, work_day):
            if shift.who:
                calendar.add_component(_event(rota, shift.begin, shift.end, shift.who, names))
    return bytes(calendar.to_ical())


def _event(
    rota: Rota, begin: int, end: int, who: tuple[str, ...], names: Mapping[str, str]
) -> icalendar.Event:
    zone = ZoneInfo(rota.zone)
    event = icalendar.Event()
    # The same shift has the same name in every export, so that calendars update it.
    event.add("uid", f"{rota.code}-{begin}@fengsui")
    event.add("dtstamp", to_datetime(begin))
    event.add("dtstart", to_datetime(begin).astimezone(zone))
    event.add("dtend", to_datetime(end).astimezone(zone))
    event.add("summary", "、".join(names.get(code, code) for code in who))
    event.add("description", f"{rota.name}\n{', '.join(who)}")
    event.add("categories", ", ".join(who))
    return event


def read(data: bytes, begin: int, end: int, people: Mapping[str, str], *, zone: str) -> Found:
    """Return the events between `begin` and `end` (ns) as overrides; repeating ones are taken apart.

    people : code or name -> code; the summary of an event names one or several.
    Times without a zone, and whole days, are the rota's own.  Raises ValueError when it is no calendar.
    """
    found, own = Found(), ZoneInfo(zone)
    calendar = icalendar.Calendar.from_ical(data)
    for event in recurring_ical_events.of(calendar).between(to_datetime(begin), to_datetime(end)):
        summary = str(event.get("summary", "")).strip()
        words = [word.strip() for word in summary.translate(_BETWEEN).split(",") if word.strip()]
        unknown = [word for word in words if word not in people]
        start, stop = _ns(event.start, own), _ns(event.end, own)
        if unknown or not words or stop <= start:
            found.problems.append(f"{event.start}: {summary or '(no summary)'}")
        else:
            found.overrides.append(Override(start, stop, tuple(people[word] for word in words)))
    found.overrides.sort(key=lambda override: (override.begin, override.end))
    return found


def _ns(moment: date | datetime, zone: ZoneInfo) -> int:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(0), zone)
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
