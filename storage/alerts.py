"""What the desk decides, as rows: alerts, transitions, findings, notes, answers; and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from enum import Enum
from typing import Any

import psycopg
from psycopg import sql

from alerts.chain import Link, link
from alerts.changes import (
    Alert,
    Changes,
    Command,
    CommandKind,
    Digest,
    Finding,
    Held,
    Note,
    Reached,
    Shelf,
    Transition,
)
from alerts.memory import Memory
from alerts.policy import Policy
from alerts.state import UNANSWERED, Stage, State, Suppression
from core.events import SubjectKind
from core.levels import Level
from core.time import CHINA, seconds, to_datetime
from storage.binary import plain

# Columns are named as the fields, but: times in ns say so, and words of SQL are avoided.
_NAMES: Mapping[str, str] = {
    **{
        name: f"{name}_ns"
        for name in (
            "raised", "changed", "opened", "recovered", "acked", "closed", "since", "last_raise",
            "last_clear", "t", "now", "created", "asked", "handling", "done", "reported", "reviewed", "expected",
            "owing", "reached", "alarmed", "until", "made", "begun", "ended",
        )
    },
    "limit": "limit_value", "count": "times", "by": "by_whom", "begin": "start_ns",
}  # fmt: skip

# What a column of text or number was before it was written.
_KINDS: Mapping[str, type[Any]] = {
    "subject_kind": SubjectKind, "state": State, "suppression": Suppression, "level": Level,
    "old": State, "new": State, "kind": CommandKind, "told": tuple, "stage": Stage,
    "raises": tuple,
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
        return [plain(item) if isinstance(item, str) else item for item in value]
    return value


def from_row(kind: type[Any], row: Sequence[Any]) -> Any:
    """Return the dataclass that a row of `columns_of(kind)` came from."""
    kinds: Mapping[str, Any] = (
        _SHELF_KINDS if kind is Shelf else _LINE_KINDS if kind is Transition else _KINDS
    )
    names = [field.name for field in fields(kind)]
    return kind(*(kinds.get(name, _same)(value) for name, value in zip(names, row, strict=True)))


def _same(value: Any) -> Any:
    return value


# The same word means another thing in these.
_SHELF_KINDS = {**_KINDS, "kind": Suppression}
_LINE_KINDS = {name: kind for name, kind in _KINDS.items() if name != "stage"}


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
_LINE = columns_of(Transition)
_ADD_TRANSITION = sql.SQL("INSERT INTO transition ({}, n, hash) VALUES ({})").format(
    sql.SQL(", ").join(map(sql.Identifier, _LINE)),
    sql.SQL(", ").join([sql.Placeholder()] * (len(_LINE) + 2)),
)
_HEAD = "SELECT n, hash FROM chain FOR UPDATE"
_MOVE_HEAD = "UPDATE chain SET n = %s, hash = %s"
_ANCHOR = "INSERT INTO anchor VALUES (%s, %s, %s, %s) ON CONFLICT (day) DO NOTHING"
_PUT_SHELF = _insert(
    "shelf",
    Shelf,
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in columns_of(Shelf) if column != "id"),
)
_ADD_FINDING = _insert("finding", Finding)
ADD_NOTE = sql.SQL(
    "INSERT INTO outbox ({0}, due_ns, state, reason) VALUES ({1}, %s, %s, %s) ON CONFLICT (key) DO NOTHING"
).format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Note))),
    sql.SQL(", ").join([sql.Placeholder()] * len(columns_of(Note))),
)
_RELEASE = "UPDATE outbox SET state = 'todo', due_ns = %s, reason = '' WHERE key = ANY(%s) AND state = 'held'"
_POSTPONE = "UPDATE outbox SET due_ns = %s, reason = %s WHERE key = %s AND state = 'held'"
_CARRY = """UPDATE outbox SET state = 'carried', carried_by = %s, ended_ns = %s, reason = ''
WHERE key = ANY(%s) AND state = 'held'"""
_ANSWER = "UPDATE command SET answered_ns = %s, problem = %s WHERE id = %s AND answered_ns = 0"


def write(connection: psycopg.Connection[Any], changes: Changes, now: int) -> None:
    """Write everything the desk decided in the connection's transaction, and wake the notifier."""
    with connection.cursor() as cursor:
        _many(cursor, _PUT_ALERT, map(_row, _last_of_each(changes.alerts)))
        _add_history(cursor, changes.transitions)
        _many(cursor, _ADD_FINDING, map(_row, changes.findings))
        _many(cursor, _PUT_SHELF, map(_row, changes.shelves))
        _add_notes(cursor, changes, now)
        _many(cursor, _ANSWER, ([now, plain(answer.problem), answer.command] for answer in changes.answers))


def _add_history(cursor: psycopg.Cursor[Any], lines: Sequence[Transition]) -> None:
    """Write lines of history, each chained to the one before it; the day's first one is its anchor."""
    if not lines:
        return
    row = cursor.execute(_HEAD).fetchone()
    assert row is not None
    head = Link(*row)
    rows: list[list[Any]] = []
    anchors: dict[date, list[Any]] = {}
    for given in lines:
        line = replace(given, by=plain(given.by), note=plain(given.note), detail=plain(given.detail))
        head = link(head, line)
        rows.append([*_row(line), head.n, head.hash])
        anchors.setdefault(to_datetime(line.now).astimezone(CHINA).date(), [head.n, head.hash, line.now])
    _many(cursor, _ADD_TRANSITION, rows)
    cursor.execute(_MOVE_HEAD, [head.n, head.hash])
    _many(cursor, _ANCHOR, ([day, *anchor] for day, anchor in anchors.items()))


def _add_notes(cursor: psycopg.Cursor[Any], changes: Changes, now: int) -> None:
    """Write notes, those that wait as held; what was held goes out as it is, or in a digest."""
    held = {one.note.key: one for one in changes.held}
    _many(cursor, ADD_NOTE, (note_row(note, held.get(note.key)) for note in changes.notes))
    _many(cursor, _POSTPONE, ([one.until, one.reason, one.note.key] for one in changes.postponed))
    if changes.released:
        cursor.execute(_RELEASE, [now, list(changes.released)])
    _many(cursor, ADD_NOTE, (note_row(digest.note) for digest in changes.digests))
    _many(cursor, _CARRY, (_carried(digest, now) for digest in changes.digests))
    if len(held) < len(changes.notes) or changes.released or changes.digests:
        cursor.execute("NOTIFY fengsui_outbox")


def _carried(digest: Digest, now: int) -> list[Any]:
    return [digest.note.key, now, list(digest.carries)]


def note_row(note: Note, held: Held | None = None) -> list[Any]:
    """Return the parameters of ADD_NOTE; a note is due at once, unless it is held."""
    if held:
        return [*_row(note), held.until, "held", held.reason]
    return [*_row(note), note.created, "todo", ""]


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


# Of closed alerts only those come back that may be opened again, and those of which a note still waits.
_CLOSED_LATELY = sql.SQL(
    "WHERE closed_ns <> 0 AND closed_ns >= %s AND NOT data_quality ORDER BY closed_ns DESC, id LIMIT %s"
)
_CLOSED_WAITING = sql.SQL(
    "WHERE closed_ns <> 0 AND id IN (SELECT alert FROM outbox WHERE state = 'held') ORDER BY closed_ns, id"
)
_HELD = sql.SQL("SELECT {}, reason, due_ns FROM outbox WHERE state = 'held' ORDER BY created_ns, id").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Note)))
)
_SHELVES = sql.SQL("SELECT {} FROM shelf WHERE ended_ns = 0 ORDER BY made_ns, id").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Shelf)))
)
_HEARD = """SELECT recipient, min(created_ns) FROM outbox
WHERE created_ns > %s AND (starts_with(step, 'raise-') OR starts_with(step, 'level-')) AND channel <> ALL(%s)
GROUP BY recipient, alert, step ORDER BY 2, 1"""
_UNREACHED = """SELECT a.id, min(o.ended_ns) FROM alert a JOIN outbox o ON o.alert = a.id
WHERE a.closed_ns = 0 AND a.level = 4 AND NOT a.data_quality AND a.reached_ns < a.expected_ns
  AND a.state = ANY(%s) AND o.created_ns >= a.expected_ns AND o.channel <> ALL(%s)
  AND (o.state = 'sent' OR (o.state = 'carried' AND EXISTS (
      SELECT FROM outbox d WHERE d.key = o.carried_by AND d.state = 'sent')))
GROUP BY a.id ORDER BY a.id"""


def memory(connection: psycopg.Connection[Any], policy: Policy, now: int) -> Memory:
    """Return what the desk had in mind when it last committed."""
    since = now - seconds(policy.hold.flood_window_s)
    reopen = now - seconds(policy.reopen_s)
    lately = select_alerts(connection, _CLOSED_LATELY, [reopen, policy.remember])
    closed = {alert.id: alert for alert in (*select_alerts(connection, _CLOSED_WAITING), *lately)}
    held = connection.execute(_HELD).fetchall()
    return Memory(
        alerts=(*closed.values(), *open_alerts(connection)),
        held=tuple(_held(from_row(Note, row[:-2]), row[-2], row[-1]) for row in held),
        shelves=tuple(from_row(Shelf, row) for row in connection.execute(_SHELVES).fetchall()),
        heard=tuple(connection.execute(_HEARD, [since, sorted(policy.machines)]).fetchall()),
    )


def _held(note: Note, reason: str, until: int) -> Held:
    return Held(note, reason, until, note.created)


def reached(connection: psycopg.Connection[Any], policy: Policy) -> tuple[Reached, ...]:
    """Return the open red alerts of which a note has reached somebody, unless the desk knows it already."""
    values = [[state.value for state in sorted(UNANSWERED)], sorted(policy.machines)]
    return tuple(Reached(*row) for row in connection.execute(_UNREACHED, values).fetchall())
