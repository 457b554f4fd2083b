"""Which keys a table of a town file may have, and how each value is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any
from zoneinfo import available_timezones

from core.levels import Level
from registry.signals import NAME
from registry.words import AreaLevel, DustKind, Profile, Role

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Field:
    """How one value is read.

    column     of the registry
    expected   in words, for the error
    read       returns what is stored; raises ValueError or TypeError
    cell       turns the text of a CSV cell into what TOML would have held
    """

    column: str
    expected: str
    read: Callable[[Any], Any]
    cell: Callable[[str], object] = str
    words: tuple[str, ...] = ()


def text(column: str, longest: int) -> Field:
    """A text that is not empty, or not longer than its column."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            raise ValueError
        return value

    return Field(column, f"a text of at most {longest} characters", read)


def code(column: str, longest: int, *, refers: bool = False) -> Field:
    """A code; of a reference, the key of the thing that it names."""

    def read(value: Any) -> str | tuple[str]:
        if not isinstance(value, str) or len(value) > longest or not _CODE.fullmatch(value):
            raise ValueError
        return (value,) if refers else value

    return Field(column, f"a code of letters, digits, '.', '_', '-', at most {longest}, in quotes", read)


def word(column: str, words: type[StrEnum]) -> Field:
    """One of a closed list."""
    allowed = tuple(item.value for item in words)
    return Field(
        column, f"one of {' '.join(allowed)}", lambda value: words(value.strip()).value, words=allowed
    )


def level(column: str) -> Field:
    """A colour."""
    return Field(
        column,
        "blue, yellow, orange or red",
        lambda value: int(Level.parse(value)),
        words=("blue", "yellow", "orange", "red"),
    )


def number(column: str, low: float = -math.inf, high: float = math.inf) -> Field:
    """A finite number within [low, high]."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError
        return float(value)

    bounds = "" if math.isinf(low) else f" >= {low:g}"
    return Field(
        column, f"a number{bounds}" + ("" if math.isinf(high) else f" and <= {high:g}"), read, _number
    )


def whole(column: str, high: int) -> Field:
    """A whole number within [0, high]."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or value != int(value) or not 0 <= value <= high:
            raise ValueError
        return int(value)

    return Field(column, f"a whole number from 0 to {high}", read, _number)


def flag(column: str) -> Field:
    """Yes or no."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError
        return value

    return Field(column, "true or false (1 or 0 in CSV)", read, _flag)


def zone(column: str) -> Field:
    """A time zone by its IANA name."""

    def read(value: Any) -> str:
        if value not in available_timezones():
            raise ValueError
        return str(value)

    return Field(column, "a time zone like Asia/Shanghai", read)


def signal(column: str) -> Field:
    """The name of a signal."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise ValueError
        return value

    return Field(column, "a signal's name: small letters, digits and '_'", read)


def _number(cell: str) -> object:
    with suppress(ValueError):
        return float(cell)
    return cell


def _flag(cell: str) -> object:
    return {"1": True, "true": True, "是": True, "0": False, "false": False, "否": False}.get(
        cell.lower(), cell
    )


Fields = Mapping[str, Field]

AREA: Fields = {
    "code": code("code", 32),
    "name": text("name", 100),
    "level": word("level", AreaLevel),
    "parent": code("parent", 32, refers=True),
}
ENTERPRISE: Fields = {
    "code": code("code", 64),
    "name": text("name", 200),
    "name_en": text("name_en", 200),
    "area": code("area", 32, refers=True),
    "address": text("address", 200),
    "industry": text("industry", 100),
    "category": text("category", 100),
    "sector": text("sector", 100),
    "department": text("department", 100),
    "grade": level("grade"),
    "dust_kind": word("dust_kind", DustKind),
    "dust_workers": whole("dust_workers", 1_000_000),
    "longitude": number("longitude", -180, 180),
    "latitude": number("latitude", -90, 90),
    "active": flag("active"),
}
CONTACT: Fields = {
    "code": code("code", 64),
    "name": text("name", 100),
    "role": word("role", Role),
    "enterprise": code("enterprise", 64, refers=True),
    "area": code("area", 32, refers=True),
    "active": flag("active"),
}
GATEWAY: Fields = {
    "code": code("code", 64),
    "enterprise": code("enterprise", 64, refers=True),
    "zone": zone("zone"),
    "lenient": flag("lenient"),
    "messages_per_s": whole("messages_per_s", 1_000_000),
    "shared_topics": flag("shared_topics"),
    "active": flag("active"),
}
DEVICE: Fields = {
    "gateway": code("gateway", 64, refers=True),
    "code": text("code", 64),
    "name": text("name_zh", 100),
    "name_en": text("name_en", 100),
    "place": text("place", 200),
    "profile": word("profile", Profile),
    "model": text("model", 100),
    "active": flag("active"),
}
SERIES: Fields = {
    "signal": signal("signal"),
    "name": text("name_zh", 100),
    "name_en": text("name_en", 100),
    "unit": text("unit", 16),
    "period_s": number("period_s", 0, 366 * 86_400),
    "physical_low": number("physical_low"),
    "physical_high": number("physical_high"),
    "mandatory": flag("mandatory"),
    "active": flag("active"),
}
LIMIT: Fields = {
    "level": level("level"),
    "high": number("high"),
    "low": number("low"),
    "deadband": number("deadband", 0),
    "on_delay_s": number("on_delay_s", 0, 366 * 86_400),
    "off_delay_s": number("off_delay_s", 0, 366 * 86_400),
}
OF_KIND: Mapping[str, Fields] = {
    "area": AREA,
    "enterprise": ENTERPRISE,
    "contact": CONTACT,
    "gateway": GATEWAY,
    "device": DEVICE,
    "series": SERIES,
}
# What a new one cannot do without (a column of OF_KIND; of a series see checks.py).
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "area": ("name", "level"),
    "enterprise": ("name", "area"),
    "contact": ("name", "role"),
    "gateway": ("enterprise",),
    "device": ("name_zh", "profile"),
    "series": (),
}


def nearest(given: str, known: tuple[str, ...]) -> str:
    """Return a remedy that names the most similar known word, if one is similar."""
    close = get_close_matches(given, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are {' '.join(known)}."
