"""The rota as `Duty`: who has a role now is who is on duty; where there is no rota, everybody; never nobody."""

from __future__ import annotations

from collections import defaultdict

from alerts.duty import FOR_EVER
from alerts.rota import WorkDay, next_edge, on_duty
from alerts.route import Book
from registry.catalog import Catalog, Contact
from registry.rota import Rota


class RotaDuty:
    """Answers who is on duty by the catalogue's rotas; a hole in one, or people who left, mean everybody.

    No memory: the same question at the same `now` has the same answer.
    """

    def __init__(self, catalog: Catalog, work_day: WorkDay) -> None:
        self._book, self._work_day = Book.of(catalog), work_day
        self._rotas: dict[tuple[str, int, int], list[Rota]] = defaultdict(list)
        for rota in catalog.rotas:
            self._rotas[rota.role, rota.enterprise, rota.area].append(rota)

    def who(self, role: str, *, enterprise: int = 0, area: int = 0, now: int = 0) -> tuple[Contact, ...]:
        """Return who has a role in an enterprise, or in exactly this area."""
        everybody = self._book.who(role, enterprise=enterprise, area=area)
        place = (role, enterprise, 0) if enterprise else (role, 0, area)
        codes = [code for rota in self._rotas.get(place, ()) for code in on_duty(rota, now, self._work_day)]
        known = self._book.by_code
        return tuple(known[code] for code in dict.fromkeys(codes) if code in known) or everybody

    def until(self, now: int) -> int:
        """Return when the next answer may differ, ns > now."""
        edges = (next_edge(rota, now) for rotas in self._rotas.values() for rota in rotas)
        return min((edge for edge in edges if edge is not None), default=FOR_EVER)
