"""From the tables to `Rota`s: plain SQL, in the order in which layers and overrides hide each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from core.time import from_datetime
from registry.rota import Layer, Override, Rota, turns_of
from registry.words import DutyDays, TurnUnit

Row = tuple[Any, ...]

ROTAS = """SELECT id, code, name, role, coalesce(enterprise_id, 0), coalesce(area_id, 0), zone
    FROM registry_rota WHERE active ORDER BY code COLLATE "C" """
LAYERS = """SELECT rota_id, name, start, every, turns, n, begin, "end", days, until
    FROM registry_rotalayer ORDER BY rota_id, "order", id"""
OVERRIDES = (
    """SELECT rota_id, begin, "end", who, instead_of FROM registry_rotaoverride ORDER BY rota_id, id"""
)


def rotas_of(rotas: Sequence[Row], layers: Sequence[Row], overrides: Sequence[Row]) -> tuple[Rota, ...]:
    """Return the rotas of these rows."""
    below: dict[int, list[Layer]] = defaultdict(list)
    for rota, name, start, every, turns, n, begin, end, days, until in layers:
        one = Layer(name, start, TurnUnit(every), turns_of(turns), n, begin, end, DutyDays(days), until)
        below[rota].append(one)
    over: dict[int, list[Override]] = defaultdict(list)
    for rota, begin, end, who, instead_of in overrides:
        one_turn = turns_of(who)[0]
        over[rota].append(Override(from_datetime(begin), from_datetime(end), one_turn, instead_of))
    return tuple(
        Rota(code, name, role, enterprise, area, zone, tuple(below[id_]), tuple(over[id_]))
        for id_, code, name, role, enterprise, area, zone in rotas
    )
