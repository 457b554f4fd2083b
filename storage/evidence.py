"""Evidence: what an officer needs to believe an alert, kept as it was when the alert was raised.

It is gathered from what is committed, right after the transition, by whoever looks; doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row, tuple_row
from psycopg.types.json import Jsonb

from core.time import to_datetime

Connection = psycopg.Connection[Any]

_DUE = """
SELECT t.alert, t.seq, t.cause, t.old, t.new, t.level, t.t_ns AS t, t.now_ns AS now, t.value,
       a.rule, a.rule_version, a.subject_kind, a.subject, a.series, a.unit, a.since_ns AS since,
       CASE WHEN a.seq = t.seq THEN a.limit_value END AS limit_value,
       (SELECT p.level FROM transition p WHERE p.alert = t.alert AND p.seq = t.seq - 1) AS level_before
FROM transition t JOIN alert a ON a.id = t.alert LEFT JOIN evidence e ON (e.alert, e.seq) = (t.alert, t.seq)
WHERE t.now_ns >= %s AND t.cause IN ('open', 'raise', 'level', 'reopen') AND e.alert IS NULL
ORDER BY t.now_ns LIMIT %s
"""
# The last minutes, or the last so many readings where they came more slowly.
_WINDOW = """
SELECT (extract(epoch FROM time) * 1000)::bigint, value, quality FROM (
    SELECT time, value, quality, row_number() OVER (ORDER BY time DESC) AS n
    FROM sample WHERE series_id = %(series)s AND time <= %(end)s AND time > %(oldest)s
    ORDER BY time DESC LIMIT %(most)s
) AS newest WHERE n <= %(least)s OR time > %(start)s ORDER BY time
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A transition without evidence; the alert's columns beside it.  limit_value: None when it is no longer known."""

    alert: str
    seq: int
    cause: str
    old: str
    new: str
    level: int
    t: int
    now: int
    value: float
    rule: str
    rule_version: str
    subject_kind: int
    subject: int
    series: int
    unit: str
    since: int
    limit_value: float | None
    level_before: int | None


def due(connection: Connection, since: int, limit: int = 100) -> list[Due]:
    """Return raising transitions at or after `since` (ns) that have no evidence yet, the oldest first."""
    with connection.cursor(row_factory=class_row(Due)) as cursor:
        return cursor.execute(_DUE, [since, limit]).fetchall()


def window(
    connection: Connection, series: int, t: int, *, span: int, least: int, oldest: int, most: int = 3000
) -> list[tuple[int, float, int]]:
    """Return (ms since 1970, value, quality) up to `t`: of the last `span` ns, or the last `least` readings.

    Nothing is older than `oldest` ns before `t`, and there are at most `most`.
    """
    times = {"end": to_datetime(t), "start": to_datetime(t - span), "oldest": to_datetime(t - oldest)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_WINDOW, {**times, "series": series, "least": least, "most": most}).fetchall()


def write(connection: Connection, alert: str, seq: int, document: dict[str, Any], *, now: int) -> None:
    """Keep the evidence of a transition; what is there already stays."""
    connection.execute(
        "INSERT INTO evidence VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [alert, seq, now, Jsonb(document)],
    )


def of_alert(connection: Connection, alert: str) -> Sequence[dict[str, Any]]:
    """Return the evidence of an alert, one document per raising transition, in order."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute("SELECT document FROM evidence WHERE alert = %s ORDER BY seq", [alert])
        return [row[0] for row in rows]
