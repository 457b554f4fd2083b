"""What the page behind a notification's link asks of the database, and the one thing it writes."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from alerts.changes import CommandKind
from alerts.link import Pass
from console import queries

_NAME = "SELECT name FROM registry_contact WHERE code = %s"
# What was asked before the alert came again is no answer to it; what was refused may be asked again.
_ASKED = """SELECT 1 FROM command c JOIN alert a ON a.id = c.alert
    WHERE a.id = %s AND c.kind = %s AND c.by_whom = %s AND c.asked_ns >= a.expected_ns AND c.problem = ''"""
# The lock of ask(): of two presses the second sees the first.
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtext('fengsui_command'))"


def _first(statement: str, parameters: Any = ()) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def name_of(recipient: str) -> str:
    """Return a contact's name; of one that has left the registry, the code."""
    return str(_first(_NAME, [recipient]) or recipient)


def asked(one: Pass, kind: CommandKind) -> bool:
    """Has this recipient asked for it since an answer is awaited?"""
    return _first(_ASKED, [one.alert, kind.value, one.recipient]) is not None


def ask_once(one: Pass, kind: CommandKind, *, now: int) -> None:
    """Write the command in the recipient's name, unless it is there already."""
    with transaction.atomic():
        _first(_IN_TURN)
        if not asked(one, kind):
            queries.ask(kind, one.alert, by=one.recipient, note="", now=now)
