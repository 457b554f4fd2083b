"""Working days in China: weekends, public holidays, and the weekends that are worked to make up for them.

The State Council announces a year's holidays late in the year before; the library `chinesecalendar` follows.
For years that it does not know yet, weekends are free and everything else is worked, unless people say more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import chinese_calendar


@dataclass(frozen=True, slots=True)
class WorkDays:
    """date -> is it a working day?  `work` and `rest` are days that people have named, over the library."""

    work: frozenset[date] = frozenset()
    rest: frozenset[date] = frozenset()

    @classmethod
    def of(cls, work: Iterable[str] = (), rest: Iterable[str] = ()) -> WorkDays:
        """Take days as 2027-02-06.  Raises ValueError."""
        return cls(frozenset(map(date.fromisoformat, work)), frozenset(map(date.fromisoformat, rest)))

    def __call__(self, day: date) -> bool:
        if day in self.work or day in self.rest:
            return day in self.work
        return bool(chinese_calendar.is_workday(day)) if announced(day.year) else day.weekday() < 5


def announced(year: int) -> bool:
    """Are the holidays of a year known, rather than guessed from weekends?"""
    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True
