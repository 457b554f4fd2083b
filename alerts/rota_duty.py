"""The rota as `Duty`: who has a role now is who is on duty; where there is no rota, everybody; never nobody."""

from __future__ import annotations

from collections import defaultdict

from alerts.duty import FOR_EVER
from alerts.rota import WorkDay, next_handover, on_duty
from alerts.route import Book
from core.time import HOUR
from registry.catalog import Catalog, Contact
from registry.rota import Rota

# A rota without a handover for a year is looked at again anyway: it may begin to have one.
_LOOK_AGAIN = 24 * HOUR


class RotaDuty:
    """Answers who is on duty by the catalogue's rotas; a hole in one, or people who left, mean everybody.

    Memory: one time per rota.  The same question at the same `now` has the same answer.
    """

    def __init__(self, catalog: Catalog, work_day: WorkDay) -> None:
        self._book, self._work_day = Book.of(catalog), work_day
        self._rotas: dict[tuple[str, int, int], list[Rota]] = defaultdict(list)
        for rota in catalog.rotas:
            self._rotas[rota.role, rota.enterprise, rota.area].append(rota)
        self._changes: dict[str, tuple[int, int]] = {}

    def who(self, role: str, *, enterprise: int = 0, area: int = 0, now: int = 0) -> tuple[Contact, ...]:
        """Return who has a role in an enterprise, or in exactly this area."""
        everybody = self._book.who(role, enterprise=enterprise, area=area)
        place = (role, enterprise, 0) if enterprise else (role, 0, area)
        codes = [
            code for rota in self._rotas.get(place, ()) for code in on_duty(rota, now, self._work_day)
        ]
        known = self._book.by_code
        return tuple(known[code] for code in dict.fromkeys(codes) if code in known) or everybody

    def until(self, now: int) -> int:
        """Return when the next answer may differ, ns > now."""
        return min((self._next(rota, now) for rotas in self._rotas.values() for rota in rotas), default=FOR_EVER)

    def _next(self, rota: Rota, now: int) -> int:
        """Looking ahead costs milliseconds; a change found for one time holds for all before it."""
        asked, at = self._changes.get(rota.code, (0, 0))
        if not asked <= now < at:
            at = next_handover(rota, now, self._work_day) or now + _LOOK_AGAIN
            self._changes[rota.code] = now, at
        return at
