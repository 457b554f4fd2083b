"""What console and command line read, and how they ask the desk: functions over a psycopg connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, tuple_row

from alerts.changes import Alert, CommandKind, Transition
from core.levels import Level
from storage.alerts import columns_of, from_row, select_alerts
from storage.binary import plain

Connection = psycopg.Connection[Any]

_HISTORY = sql.SQL("SELECT {} FROM transition WHERE alert = %s ORDER BY seq").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Transition)))
)
_NOTES = """
SELECT o.key, o.step, o.recipient, o.channel, o.level, o.title, o.state, o.attempt AS attempts,
       o.created_ns AS created, o.ended_ns AS ended, o.reason,
       coalesce((SELECT r.receipt FROM receipt r WHERE r.outbox_id = o.id ORDER BY attempt DESC LIMIT 1), '')
       AS receipt
FROM outbox o WHERE o.alert = %s ORDER BY o.created_ns, o.id
"""
_LEDGER = "SELECT gateway, received, stored, duplicate, rejected FROM ledger ORDER BY gateway"


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of one note.  created, ended : ns, 0 = not yet · receipt : of the last attempt"""

    key: str
    step: str
    recipient: str
    channel: str
    level: int
    title: str
    state: str
    attempts: int
    created: int
    ended: int
    reason: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Line:
    """The ledger of one gateway since ever; gateway 0 is who is not known."""

    gateway: int
    received: int
    stored: int
    duplicate: int
    rejected: int


def open_alerts(
    connection: Connection,
    *,
    enterprises: Sequence[int] | None = None,
    at_least: Level = Level.BLUE,
    data_quality: bool | None = None,
    limit: int = 1000,
) -> tuple[Alert, ...]:
    """Return open alerts, the worst first, then the newest.

    enterprises : only these; None = all · data_quality : only, or without, those about data; None = both
    """
    where = [sql.SQL("closed_ns = 0 AND level >= %s")]
    params: list[Any] = [int(at_least)]
    if enterprises is not None:
        where.append(sql.SQL("enterprise = ANY(%s)"))
        params.append(list(enterprises))
    if data_quality is not None:
        where.append(sql.SQL("data_quality = %s"))
        params.append(data_quality)
    condition = sql.SQL("WHERE {} ORDER BY level DESC, opened_ns DESC, id LIMIT %s").format(
        sql.SQL(" AND ").join(where)
    )
    return select_alerts(connection, condition, [*params, limit])


def recent_alerts(connection: Connection, *, since: int, limit: int = 1000) -> tuple[Alert, ...]:
    """Return alerts opened at or after `since` (ns), closed ones too, the newest first."""
    condition = sql.SQL("WHERE opened_ns >= %s ORDER BY opened_ns DESC, id LIMIT %s")
    return select_alerts(connection, condition, [since, limit])


def alert(connection: Connection, id_: str) -> Alert | None:
    """Return one alert, None when there is none of this id."""
    found = select_alerts(connection, sql.SQL("WHERE id = %s"), [plain(id_)])
    return found[0] if found else None


def history(connection: Connection, id_: str) -> tuple[Transition, ...]:
    """Return what happened to an alert, in order."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_HISTORY, [plain(id_)]).fetchall()
    return tuple(from_row(Transition, row) for row in rows)


def notes_of(connection: Connection, id_: str) -> tuple[Sending, ...]:
    """Return who was told about an alert by what, and whether it arrived, in order."""
    with connection.cursor(row_factory=class_row(Sending)) as cursor:
        return tuple(cursor.execute(_NOTES, [plain(id_)]).fetchall())


def add_command(
    connection: Connection, kind: CommandKind, id_: str, *, by: str, note: str = "", now: int,
    detail: str = "",
) -> int:  # fmt: skip
    """Ask the desk, and return the number under which `command_answer` finds its answer.

    detail : a JSON object, what the kind needs (docs/alerts.md).

    The desk hears of it when the caller's transaction commits.
    """
    values = [kind.value, plain(id_), plain(by), plain(note), now, plain(detail)]
    row = connection.execute("SELECT ask(%s, %s, %s, %s, %s, %s)", values).fetchone()
    assert row is not None
    return int(row[0])


def command_answer(connection: Connection, command: int) -> str | None:
    """Return "" when a command was carried out, why when it was refused, None while it waits."""
    row = connection.execute("SELECT answered_ns, problem FROM command WHERE id = %s", [command]).fetchone()
    return str(row[1]) if row and row[0] else None


def ledger(connection: Connection) -> tuple[Line, ...]:
    """Return the ledger of every gateway, exact at this moment: received = stored + duplicate + rejected."""
    with connection.cursor(row_factory=class_row(Line)) as cursor:
        return tuple(cursor.execute(_LEDGER).fetchall())
