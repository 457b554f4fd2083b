"""Housekeeping, about once a minute: partitions made ahead, what is too old dropped; all may come later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import structlog
from psycopg import sql

from core.time import DAY
from storage import timescale
from storage.partitions import Partitions, children, end_of, starts_of

log = structlog.get_logger("storage")

AHEAD_DAYS = 2
_CHUNK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Keep:
    """How many days what is kept; alerts, transitions and findings are kept for ever: they are the record."""

    samples_days: int = 30
    minutes_days: int = 400
    hours_days: int = 3_650
    rejects_days: int = 30
    notes_days: int = 400

    def days_of(self, table: str) -> int:
        """Return the days for a table that is partitioned or a hypertable."""
        return {
            "sample": self.samples_days,
            "rollup_1m": self.minutes_days,
            "rollup_1h": self.hours_days,
            "reject": self.rejects_days,
        }[table]


def maintain(connection: psycopg.Connection[Any], now: int, keep: Keep = Keep()) -> None:
    """Make tomorrow's partitions, drop what is too old at `now` (ns).  The connection is in autocommit.

    Readers are never waited for longer than a moment: what they hold is dropped a minute later.
    """
    with connection.cursor() as cursor:
        native = not timescale.serves(cursor)
    if native:
        tables = ["sample", "rollup_1m", "rollup_1h", "reject"]
    else:
        tables = ["reject"]
        timescale.maintain(connection, now, keep)
    for table in tables:
        make_ahead(connection, table, now)
        drop_old(connection, table, now - keep.days_of(table) * DAY)
    delete_old_notes(connection, now - keep.notes_days * DAY)


def make_ahead(connection: psycopg.Connection[Any], table: str, now: int) -> None:
    """Make the partitions of today and of the next days."""
    starts = np.unique(starts_of(table, now + np.arange(AHEAD_DAYS + 1) * DAY))
    with _briefly(connection, f"partitions of {table} not made"):
        Partitions().ensure(connection, table, starts)


def drop_old(connection: psycopg.Connection[Any], table: str, before: int) -> None:
    """Drop the partitions that end at or before an instant (ns), oldest first, one by one."""
    old = {name: end_of(table, name) for name in children(connection, table)}
    for name in sorted(
        (name for name, end in old.items() if end * DAY <= before), key=lambda name: old[name]
    ):
        with _briefly(connection, f"partition {name} not dropped"):
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            log.info("dropped", partition=name)


def delete_old_notes(connection: psycopg.Connection[Any], before: int) -> None:
    """Delete notes that ended before an instant (ns), a few at a time; their receipts go with them."""
    connection.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state IN ('sent', 'dead')"
        " AND ended_ns < %s ORDER BY ended_ns LIMIT %s)",
        [before, _CHUNK_ROWS],
    )


@contextmanager
def _briefly(connection: psycopg.Connection[Any], failure: str) -> Iterator[None]:
    """Give a transaction that waits 200 ms for a lock; without it nothing is done until the next round."""
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '200ms'")
            yield
    except psycopg.errors.LockNotAvailable as busy:
        log.info(failure, reason=str(busy).strip())
