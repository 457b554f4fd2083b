"""Who has which role when: the nouns of a duty rota.  No Django and no clock; alerts/rota.py reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time

from registry.words import DutyDays, TurnUnit

# One person, or several joined by +; turns are set apart by commas.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Turn = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """People in turn.

    start, until   first and last day, in the rota's zone; a turn begins on `start`, None = no end
    every, n       a turn lasts n days, weeks or months; a month's turn begins on the same day, or on the last
    begin, end     of the duty on each day, wall clock; end <= begin: on the next day, so begin = end is all day
    days           every day, or only working days or days off by the Chinese calendar
    turns          contact codes; who is on duty alone or together
    """

    name: str
    start: date
    every: TurnUnit
    turns: tuple[Turn, ...]
    n: int = 1
    begin: time = time(8)
    end: time = time(8)
    days: DutyDays = DutyDays.ALL
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else from `begin` to `end` (ns): for everybody, or only `instead_of` one; a swap is two of these."""

    begin: int
    end: int
    who: Turn
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Rota:
    """Who has a role in an enterprise or an area.

    layers      a later one that has somebody hides those before it: nights over days, holidays over nights
    overrides   a later one hides those before it
    """

    code: str
    name: str
    role: str
    enterprise: int
    area: int
    zone: str
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()


def turns_of(text: str) -> tuple[Turn, ...]:
    """Return the turns of "a, b + c, d".  Raises ValueError when it holds what is no code, or nothing."""
    turns = tuple(tuple(code.strip() for code in turn.split("+")) for turn in text.split(","))
    for turn in turns:
        for code in turn:
            if not _CODE.fullmatch(code):
                raise ValueError(f"{code!r} is no contact's code")
    return turns


def text_of(turns: tuple[Turn, ...]) -> str:
    """Return turns as `turns_of` reads them."""
    return ", ".join(" + ".join(turn) for turn in turns)
