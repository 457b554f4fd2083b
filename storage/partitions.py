"""Range partitions of the tables that grow with time: named, made ahead, made on demand.

A partition covers whole days counted from 1970 in UTC.  Everything before FLOOR lies in one partition, so
that a device with a dead clock cannot make one per day since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from core.time import DAY

# Days per partition.
SPAN_DAYS: Mapping[str, int] = {"sample": 1, "rollup_1m": 7, "rollup_1h": 30, "reject": 1}
FLOOR_DAY = (
    16_436  # 2015-01-01: a multiple of nothing, the first partition above it starts where its span starts
)
BEFORE = -1

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('fengsui_partition'))"
_CHILDREN = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = %s::regclass
"""


def starts_of(table: str, t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first day of the partition of each instant, BEFORE for the one of all early days."""
    span = SPAN_DAYS[table]
    start = t_ns // (DAY * span) * span
    return np.where(start < _floor(span), BEFORE, start)


def name_of(table: str, start: int) -> str:
    """Return the partition's name: `sample_20261121`."""
    return f"{table}_before" if start == BEFORE else f"{table}_{_date(start).replace('-', '')}"


def end_of(table: str, name: str) -> int:
    """Return the day after the last one of a partition, from its name."""
    suffix = name.removeprefix(f"{table}_")
    if suffix == "before":
        return _floor(SPAN_DAYS[table])
    date = np.datetime64(f"{suffix[:4]}-{suffix[4:6]}-{suffix[6:]}", "D")
    return int(date.astype(np.int64)) + SPAN_DAYS[table]


def children(connection: psycopg.Connection[Any], table: str) -> set[str]:
    """Return the names of the table's partitions."""
    return {name for (name,) in connection.execute(_CHILDREN, [table])}


class Partitions:
    """Which partitions exist, as far as one connection knows; others make some and drop some."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def forget(self) -> None:
        """Look again next time: one that was made was rolled back, or one that was known is gone."""
        self._known.clear()

    def ensure(self, connection: psycopg.Connection[Any], table: str, starts: Iterable[int]) -> None:
        """Make the partitions that are missing, in the connection's transaction."""
        known = self._known.get(table)
        if known is None:
            known = self._known[table] = children(connection, table)
        missing = {name_of(table, int(start)): int(start) for start in starts}
        missing = {name: start for name, start in missing.items() if name not in known}
        if not missing:
            return
        connection.execute(_LOCK)  # the other connections make them too
        known |= children(connection, table)
        for name, start in missing.items():
            if name not in known:
                _create(connection, table, name, start)
                known.add(name)


def _create(connection: psycopg.Connection[Any], table: str, name: str, start: int) -> None:
    """Make one beside the table, then attach it: CREATE … PARTITION OF would wait for all readers."""
    span = SPAN_DAYS[table]
    low, high = (
        (sql.SQL("MINVALUE"), _midnight(_floor(span)))
        if start == BEFORE
        else (_midnight(start), _midnight(start + span))
    )
    words = {"table": sql.Identifier(table), "name": sql.Identifier(name), "low": low, "high": high}
    connection.execute(sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING ALL)").format(**words))
    connection.execute(
        sql.SQL("ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})").format(
            **words
        )
    )


def _floor(span: int) -> int:
    return -(-FLOOR_DAY // span) * span


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _midnight(day: int) -> sql.Composable:
    return sql.Literal(f"{_date(day)} 00:00:00+00")
