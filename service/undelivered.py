"""What is sent instead of a note that was given up: by the contact's next channel, else to the operator."""

from __future__ import annotations

from typing import Any

import psycopg

from alerts.changes import Note
from alerts.notify.sender import fallback, undelivered
from alerts.policy import Policy

_ADDRESSES = """SELECT a.channel, a.address FROM registry_contactaddress a
    JOIN registry_contact c ON c.id = a.contact_id
    WHERE c.active AND c.code = %s ORDER BY a."order", a.channel"""
_OPERATOR = """SELECT c.code, a.channel, a.address FROM registry_contactaddress a
    JOIN registry_contact c ON c.id = a.contact_id
    WHERE c.active AND c.role = %s ORDER BY c.code, a."order", a.channel"""


class Successors:
    """Looks people up anew each time: an address that was just repaired is used at once."""

    def __init__(self, dsn: str, policy: Policy) -> None:
        self._dsn, self._policy = dsn, policy

    async def of(self, note: Note, reason: str, *, now: int) -> Note | None:
        """Return the note to send instead; None when even telling the operator has failed (it is in the log).

        Raises psycopg.OperationalError when the database is lost.
        """
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            addresses = dict(await self._rows(connection, _ADDRESSES, note.recipient))
            other = fallback(note, addresses, self._policy, now=now)
            if other is not None:
                return other
            operators = await self._rows(connection, _OPERATOR, self._policy.operator_role)
        reachable = [row for row in operators if not self._policy.channels or row[1] in self._policy.channels]
        recipient, channel, address = reachable[0] if reachable else self._policy.last_resort
        return undelivered(
            note, reason, recipient=recipient, channel=channel, address=address, now=now, policy=self._policy
        )

    @staticmethod
    async def _rows(connection: psycopg.AsyncConnection[Any], sql: str, key: str) -> list[Any]:
        return await (await connection.execute(sql, [key])).fetchall()
