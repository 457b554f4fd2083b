"""What rules ask the registry, from the tables: numbers per device, facts; and the series that facts need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from core.time import from_datetime
from registry import signals
from registry.facts import Fact

Row = tuple[Any, ...]

PARAMETERS = "SELECT device_id, parameter, value FROM registry_deviceparameter ORDER BY device_id, parameter"
FACTS = """SELECT f.id, f.kind, f.enterprise_id, coalesce(f.device_id, 0), f.valid_from, f.valid_to,
    f.daily_from, f.daily_to FROM registry_fact f ORDER BY f.id"""
_ADD = """INSERT INTO registry_series (device_id, signal, name_zh, name_en, unit, period_s, mandatory, active)
    VALUES (%s, %s, %s, %s, %s, 0, false, true) ON CONFLICT (device_id, signal) DO NOTHING"""


def parameters_of(rows: Sequence[Row]) -> dict[int, dict[str, float]]:
    """Return device -> name -> value."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for device, name, value in rows:
        found[device][name] = value
    return dict(found)


def facts_of(rows: Sequence[Row]) -> tuple[Fact, ...]:
    """Return the facts of these rows."""
    return tuple(
        Fact(
            id_,
            kind,
            enterprise,
            device,
            from_datetime(begin),
            from_datetime(end) if end else 0,
            since,
            until,
        )
        for id_, kind, enterprise, device, begin, end, since, until in rows
    )


def add_series(connection: psycopg.Connection[Any], wanted: Iterable[tuple[int, str]]) -> None:
    """Make the series of facts: (device, kind); one that is there, even retired, stays as it is."""
    known: Mapping[str, signals.Signal] = signals.catalogue()
    with connection.transaction():
        for device, kind in sorted(wanted):
            one = known[kind]
            connection.execute(_ADD, [device, kind, one.zh, one.en, one.unit])
