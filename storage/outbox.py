"""The outbox as the notifier sees it: claim, send, mark.

A claimed note is leased: whoever holds it says what became of it before the lease ends, or another may claim
it.  Marked after sending, so a crash in between sends twice with the same key, and never not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg

from alerts.changes import Note
from core.time import seconds
from storage.alerts import ADD_NOTE, columns_of, from_row, note_row
from storage.binary import plain

Connection: TypeAlias = psycopg.AsyncConnection[Any]

# Highest level first, then the oldest; but of one alert what was said first: after "risen to red", "orange" would
# sound like an all-clear.  The lock is held only for this statement: the lease is what lasts.
_CLAIM = f"""
WITH due AS (
    SELECT id FROM outbox WHERE state IN ('todo', 'leased') AND due_ns <= %(now)s
    ORDER BY level DESC, created_ns, id LIMIT %(n)s FOR UPDATE SKIP LOCKED
),
leased AS (
    UPDATE outbox SET state = 'leased', worker = %(worker)s, due_ns = %(until)s, attempt = attempt + 1
    WHERE id IN (SELECT id FROM due) RETURNING *
),
begun AS (
    INSERT INTO receipt (outbox_id, attempt, worker, started_ns)
    SELECT id, attempt, %(worker)s, %(now)s FROM leased
)
SELECT id, attempt, {", ".join(columns_of(Note))} FROM leased
ORDER BY max(level) OVER (PARTITION BY alert, recipient) DESC, created_ns, id
"""  # noqa: S608 - names of our own columns

# What was sent is sent, even if the lease had ended and somebody else is at it.
_SENT = """
WITH note AS (
    UPDATE outbox SET state = 'sent', ended_ns = %(now)s, reason = '' WHERE id = %(id)s AND state <> 'sent'
)
UPDATE receipt SET ended_ns = %(now)s, result = 'sent', receipt = %(receipt)s
WHERE outbox_id = %(id)s AND attempt = %(attempt)s
"""
# A failure counts only for the attempt that holds the lease.
_FAILED = """
WITH attempt AS (
    UPDATE receipt SET ended_ns = %(now)s, result = %(result)s, reason = %(reason)s
    WHERE outbox_id = %(id)s AND attempt = %(attempt)s
)
UPDATE outbox SET state = %(state)s, due_ns = %(due)s, ended_ns = %(ended)s, reason = %(reason)s
WHERE id = %(id)s AND state = 'leased' AND attempt = %(attempt)s
"""
# The channel had no room for it: nothing was tried, so nothing is counted.
_POSTPONE = """
WITH attempt AS (DELETE FROM receipt WHERE outbox_id = %(id)s AND attempt = %(attempt)s)
UPDATE outbox SET state = 'todo', due_ns = %(at)s, attempt = attempt - 1
WHERE id = %(id)s AND state = 'leased' AND attempt = %(attempt)s
"""
# Sent notes are not counted: there are as many as there ever were.
_DEPTH = """
SELECT count(*) FILTER (WHERE state = 'todo'), count(*) FILTER (WHERE state = 'leased'),
       (SELECT count(*) FROM outbox WHERE state = 'dead'), coalesce(min(created_ns), 0)
FROM outbox WHERE state IN ('todo', 'leased')
"""
# A note that is open was tried, if at all, not later than the present attempt began.
_LATELY = f"""
SELECT {", ".join(columns_of(Note))}, tried_ns FROM (
    SELECT *, ended_ns AS tried_ns FROM outbox WHERE state IN ('sent', 'dead') AND ended_ns >= %(since)s
    UNION ALL
    SELECT o.*, r.started_ns FROM outbox o JOIN receipt r ON r.outbox_id = o.id
    WHERE o.state IN ('todo', 'leased') AND o.attempt > 0 AND r.started_ns >= %(since)s
) AS tried ORDER BY tried_ns
"""  # noqa: S608 - names of our own columns
_NEXT_DUE = "SELECT min(due_ns) FROM outbox WHERE state IN ('todo', 'leased')"


@dataclass(frozen=True, slots=True)
class Claim:
    """A note that we hold, and which attempt at it this is (from 1)."""

    id: int
    attempt: int
    note: Note


@dataclass(frozen=True, slots=True)
class Depth:
    """Notes by state, and when the oldest that still waits was written (ns, 0 = none waits)."""

    todo: int
    leased: int
    dead: int
    oldest: int


class Outbox:
    """The outbox of one notifier: many sends may be in flight, each marks its own note.

    One connection works, one listens: psycopg's lock would make the others wait for the listener.
    Every method raises psycopg.OperationalError when the database is lost: close, connect anew; leases end by
    themselves.
    """

    def __init__(self, work: Connection, ear: Connection, worker: str) -> None:
        """Use two connections in autocommit, the second listening; `worker` names who claims."""
        self._work, self._ear, self._worker = work, ear, worker
        self._turn = asyncio.Lock()

    @classmethod
    async def connect(cls, dsn: str, worker: str) -> Outbox:
        """Return an outbox with connections of its own.  Raises psycopg.OperationalError without a server."""
        work = await _connect(dsn)
        try:
            ear = await _connect(dsn)
            await ear.execute("LISTEN fengsui_outbox")
        except BaseException:
            await work.close()
            raise
        return cls(work, ear, worker)

    async def close(self) -> None:
        """Let the database go; leases that we hold end by themselves."""
        await self._work.close()
        await self._ear.close()

    async def wait(self, timeout_s: float) -> bool:
        """Return True as soon as notes are written, False after the timeout; look anyway, it may be lost."""
        async for _ in self._ear.notifies(timeout=timeout_s, stop_after=1):
            return True
        return False

    async def claim(self, n: int, *, lease_s: float, now: int) -> list[Claim]:
        """Lease up to n notes due at `now` (ns), the highest level first; an ended lease counts as due."""
        values = {"now": now, "until": now + seconds(lease_s), "n": n, "worker": self._worker}
        async with self._turn:
            cursor = await self._work.execute(_CLAIM, values)
            return [Claim(row[0], row[1], from_row(Note, row[2:])) for row in await cursor.fetchall()]

    async def sent(self, claim: Claim, *, now: int, receipt: str = "") -> None:
        """Mark as taken by the channel; `receipt` is what the channel gave as proof."""
        values = {"id": claim.id, "attempt": claim.attempt, "now": now, "receipt": plain(receipt)}
        async with self._turn:
            await self._work.execute(_SENT, values)

    async def postpone(self, claim: Claim, *, at: int) -> None:
        """Give back untried, to be claimed again at `at` (ns)."""
        async with self._turn:
            await self._work.execute(_POSTPONE, {"id": claim.id, "attempt": claim.attempt, "at": at})

    async def retry(self, claim: Claim, *, at: int, reason: str, now: int) -> None:
        """Give back, to be tried again at `at` (ns)."""
        async with self._turn:
            await self._work.execute(_FAILED, _failure(claim, "todo", reason, now=now, due=at, ended=0))

    async def dead(self, claim: Claim, *, reason: str, now: int, instead: Sequence[Note] = ()) -> None:
        """Give up, and write in the same transaction what is sent instead (by another channel, to others)."""
        async with self._turn, self._work.transaction():
            cursor = await self._work.execute(
                _FAILED, _failure(claim, "dead", reason, now=now, due=0, ended=now)
            )
            # Nothing instead when somebody else holds the note by now: it may still arrive.
            if cursor.rowcount and instead:
                await cursor.executemany(ADD_NOTE, [note_row(note) for note in instead])
                await cursor.execute("NOTIFY fengsui_outbox")

    async def lately(self, since: int) -> list[tuple[Note, int]]:
        """Return what was tried at or after `since`, each with the time of it, both ns, in order."""
        async with self._turn:
            cursor = await self._work.execute(_LATELY, {"since": since})
            return [(from_row(Note, row[:-1]), row[-1]) for row in await cursor.fetchall()]

    async def depth(self) -> Depth:
        """Return how much waits and how much was given up."""
        async with self._turn:
            row = await (await self._work.execute(_DEPTH)).fetchone()
        assert row is not None
        return Depth(*row)

    async def next_due(self) -> int | None:
        """Return when the next note is due or the next lease ends (ns), None when nothing waits."""
        async with self._turn:
            row = await (await self._work.execute(_NEXT_DUE)).fetchone()
        assert row is not None
        return None if row[0] is None else int(row[0])


async def _connect(dsn: str) -> Connection:
    return await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, application_name="fengsui-notifier", connect_timeout=10
    )


def _failure(claim: Claim, state: str, reason: str, *, now: int, due: int, ended: int) -> dict[str, object]:
    return {
        "id": claim.id, "attempt": claim.attempt, "state": state, "now": now, "due": due, "ended": ended,
        "result": "retry" if state == "todo" else state, "reason": plain(reason),
    }  # fmt: skip
