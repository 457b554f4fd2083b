"""What the desk decides, as rows: alerts, transitions, findings, notes, answers; and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

import psycopg
from psycopg import sql

from alerts.changes import Alert, Changes, Command, CommandKind, Finding, Note, Transition
from alerts.state import State, Suppression
from core.events import SubjectKind
from core.levels import Level
from storage.binary import plain

# Columns are named as the fields, but: times in ns say so, and words of SQL are avoided.
_NAMES: Mapping[str, str] = {
    **{
        name: f"{name}_ns"
        for name in (
            "raised", "changed", "opened", "recovered", "acked", "closed", "since", "last_raise",
            "last_clear", "t", "now", "created", "asked",
        )
    },
    "limit": "limit_value", "count": "times", "by": "by_whom",
}  # fmt: skip

# What a column of text or number was before it was written.
_KINDS: Mapping[str, type[Any]] = {
    "subject_kind": SubjectKind, "state": State, "suppression": Suppression, "level": Level,
    "old": State, "new": State, "kind": CommandKind, "told": tuple,
}  # fmt: skip


def columns_of(kind: type[Any]) -> list[str]:
    """Return the columns of a dataclass of alerts.changes, in the order of its fields."""
    return [_NAMES.get(field.name, field.name) for field in fields(kind)]


def _row(thing: Any) -> list[Any]:
    return [_plain(getattr(thing, field.name)) for field in fields(thing)]


def _plain(value: Any) -> Any:
    """Return what psycopg writes as the column's own type."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def from_row(kind: type[Any], row: Sequence[Any]) -> Any:
    """Return the dataclass that a row of `columns_of(kind)` came from."""
    names = [field.name for field in fields(kind)]
    return kind(*(_KINDS.get(name, _same)(value) for name, value in zip(names, row, strict=True)))


def _same(value: Any) -> Any:
    return value


def _insert(table: str, kind: type[Any], conflict: str = "") -> sql.Composed:
    columns = columns_of(kind)
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        sql.SQL(conflict),
    )


_PUT_ALERT = _insert(
    "alert",
    Alert,
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in columns_of(Alert) if column != "id"),
)
_ADD_TRANSITION = _insert("transition", Transition)
_ADD_FINDING = _insert("finding", Finding)
ADD_NOTE = sql.SQL("INSERT INTO outbox ({0}, due_ns) VALUES ({1}, %s) ON CONFLICT (key) DO NOTHING").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Note))),
    sql.SQL(", ").join([sql.Placeholder()] * len(columns_of(Note))),
)
_ANSWER = "UPDATE command SET answered_ns = %s, problem = %s WHERE id = %s AND answered_ns = 0"


def write(connection: psycopg.Connection[Any], changes: Changes, now: int) -> None:
    """Write everything the desk decided in the connection's transaction, and wake the notifier."""
    with connection.cursor() as cursor:
        _many(cursor, _PUT_ALERT, map(_row, _last_of_each(changes.alerts)))
        _many(cursor, _ADD_TRANSITION, map(_row, changes.transitions))
        _many(cursor, _ADD_FINDING, map(_row, changes.findings))
        _many(cursor, ADD_NOTE, map(note_row, changes.notes))
        _many(cursor, _ANSWER, ([now, plain(answer.problem), answer.command] for answer in changes.answers))
        if changes.notes:
            cursor.execute("NOTIFY fengsui_outbox")


def note_row(note: Note) -> list[Any]:
    """Return the parameters of ADD_NOTE; a note is due at once."""
    return [*_row(note), note.created]


def _many(cursor: psycopg.Cursor[Any], statement: sql.Composed | str, rows: Iterable[list[Any]]) -> None:
    """Write rows in one round trip; psycopg's executemany pipelines them."""
    listed = list(rows)
    if listed:
        cursor.executemany(statement, listed)


def _last_of_each(alerts: Sequence[Alert]) -> list[Alert]:
    """Return each alert once, as it is in the end; closed ones first, for they make room for others."""
    last = {alert.id: alert for alert in alerts}
    return sorted(last.values(), key=lambda alert: alert.closed == 0)


_ALERTS = sql.SQL("SELECT {} FROM alert").format(sql.SQL(", ").join(map(sql.Identifier, columns_of(Alert))))
_COMMANDS = sql.SQL("SELECT {} FROM command WHERE answered_ns = 0 AND id > %s ORDER BY id").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Command)))
)


def select_alerts(
    connection: psycopg.Connection[Any], where: sql.Composable, params: Sequence[Any] = ()
) -> tuple[Alert, ...]:
    """Return the alerts for which a condition holds, with whatever order and limit follow it."""
    rows = connection.execute(sql.SQL(" ").join([_ALERTS, where]), list(params)).fetchall()
    return tuple(from_row(Alert, row) for row in rows)


def open_alerts(connection: psycopg.Connection[Any]) -> tuple[Alert, ...]:
    """Return every alert that is not closed, in the order of opening: what the desk starts from."""
    return select_alerts(connection, sql.SQL("WHERE closed_ns = 0 ORDER BY opened_ns, id"))


def pending_commands(connection: psycopg.Connection[Any], after: int = 0) -> tuple[Command, ...]:
    """Return what people asked after the command `after` and the desk has not answered, in that order."""
    return tuple(from_row(Command, row) for row in connection.execute(_COMMANDS, [after]).fetchall())


def desk_alerts(connection: psycopg.Connection[Any], remember: int) -> tuple[Alert, ...]:
    """Return what the desk starts from: the newest `remember` closed alerts in order, then all open ones."""
    closed = select_alerts(
        connection, sql.SQL("WHERE closed_ns <> 0 ORDER BY closed_ns DESC, id LIMIT %s"), [remember]
    )
    return (*reversed(closed), *open_alerts(connection))
