"""TimescaleDB: is it there, and what it is told to do by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from core.time import DAY, to_datetime

if TYPE_CHECKING:
    from storage.maintenance import Keep


class Cursor(Protocol):
    """What Django's and psycopg's cursors have in common."""

    def execute(self, query: Any, params: Any = None) -> Any: ...
    def fetchone(self) -> Any: ...


def enable(cursor: Cursor) -> bool:
    """Return whether TimescaleDB serves this database, creating the extension where the server has it loaded.

    A server that offers the extension without loading it at start counts as plain PostgreSQL: creating it
    would fail.
    """
    cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    if cursor.fetchone():
        return True
    cursor.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
        " AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
        " AND has_database_privilege(current_database(), 'CREATE')"
    )
    if not cursor.fetchone():
        return False
    cursor.execute("CREATE EXTENSION timescaledb")
    return True


def serves(cursor: Cursor) -> bool:
    """Return whether the samples of this database are a hypertable; decided once, by the first migration."""
    cursor.execute("SELECT value FROM storage_meta WHERE key = 'samples'")
    return bool(cursor.fetchone() == ("timescale",))


def maintain(connection: psycopg.Connection[Any], now: int, keep: Keep) -> None:
    """Drop old chunks, and see that the jobs which compress and aggregate are there."""
    for table in ("sample", "rollup_1m", "rollup_1h"):
        connection.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s)",
            [table, to_datetime(now - keep.days_of(table) * DAY)],
        )
    for job in _jobs(keep):
        connection.execute(job)


def _jobs(keep: Keep) -> list[str]:
    """Return the statements that add what is missing of the background jobs.

    An aggregate is never refreshed beyond the samples' retention: it would forget dropped days.
    """
    days = max(1, keep.samples_days - 1)
    return [
        "SELECT add_compression_policy('sample', compress_after => interval '2 days', if_not_exists => true)",
        _refresh("rollup_1m", days, end="1 minute", every="1 minute"),
        _refresh("rollup_1h", days, end="1 hour", every="10 minutes"),
    ]


def _refresh(aggregate: str, days: int, *, end: str, every: str) -> str:
    return (
        f"SELECT add_continuous_aggregate_policy('{aggregate}', start_offset => interval '{days} days',"
        f" end_offset => interval '{end}', schedule_interval => interval '{every}', if_not_exists => true)"
    )
