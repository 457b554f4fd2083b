"""Heartbeat: a synthetic note through every channel that has a test recipient, and an alarm when one stops.

A beat is a note like any other: written to the outbox, claimed, sent, marked.  So it finds what watching a
process cannot: a provider that refuses us, a worker that hangs, a database that takes no writes.
One beat per channel is under way; it has failed when it was given up, or is older than `timeout_s`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
import structlog

from alerts.changes import Note
from alerts.policy import Policy
from core.levels import Level
from core.time import SECOND, local_text, seconds
from service.config import Heartbeat
from service.metrics import NotifierMetrics
from storage.alerts import ADD_NOTE, note_row

log = structlog.get_logger("heartbeat")
Connection: TypeAlias = psycopg.AsyncConnection[Any]
# No alert has such an id: they are twelve characters.
ALERT = "HEARTBEAT"
RECIPIENT = "heartbeat"
_KEEP_S = 7 * 86_400.0

_BEATS = """
SELECT DISTINCT ON (channel) channel, created_ns, state, ended_ns, reason FROM outbox
WHERE alert = %s AND recipient = %s AND channel = ANY(%s) ORDER BY channel, created_ns DESC
"""
_OPERATOR = """SELECT c.code, a.channel, a.address FROM registry_contactaddress a
    JOIN registry_contact c ON c.id = a.contact_id
    WHERE c.active AND c.role = %s ORDER BY c.code, a."order", a.channel"""
_FORGET = "DELETE FROM outbox WHERE alert = %s AND created_ns < %s AND state IN ('sent', 'dead')"


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest beat by one channel.  created, ended : ns, 0 = not yet"""

    channel: str
    created: int
    state: str
    ended: int
    reason: str


def beat(channel: str, address: str, *, now: int, policy: Policy) -> Note:
    """Return the note of one beat."""
    time = local_text(now, policy.zone)
    return Note(
        key=f"{ALERT}:beat-{now // SECOND}:{RECIPIENT}:{channel}",
        alert=ALERT,
        step=f"beat-{now // SECOND}",
        recipient=RECIPIENT,
        channel=channel,
        address=address,
        level=Level.BLUE,
        title=f"【通道自检】{channel} {time}",
        text_zh=f"通道自检，无需处理。\n通道：{channel}\n开始：{time}",
        text_en=f"A test of the channel {channel}; nothing needs to be done.",
        link="",
        created=now,
    )


def alarm(failed: Beat, problem: str, way: Sequence[str], *, now: int) -> Note:
    """Return what the operator is told about a channel that has stopped; once per beat that failed."""
    recipient, channel, address = way
    step = f"failed-{failed.created // SECOND}-{failed.channel}"
    return Note(
        key=f"{ALERT}:{step}:{recipient}:{channel}",
        alert=ALERT,
        step=step,
        recipient=recipient,
        channel=channel,
        address=address,
        level=Level.RED,
        title=f"【通道故障】{failed.channel} 自检未送达",
        text_zh=f"通知通道 {failed.channel} 自检失败：{problem}。预警可能无法经此通道送达，请立即检查。",
        text_en=f"The test of channel {failed.channel} has failed: {problem}. Alerts may not get through; repair it.",
        link="",
        created=now,
    )


def problem_of(newest: Beat | None, *, now: int, timeout_s: float) -> str:
    """Return what is wrong with a channel by its newest beat, "" for nothing (yet)."""
    if newest is None or newest.state == "sent":
        return ""
    if newest.state == "dead":
        return newest.reason or "given up"
    age_s = (now - newest.created) / SECOND
    return f"not sent for {age_s:.0f} s" if age_s > timeout_s else ""


@dataclass(slots=True)
class Heart:
    """Beats by every channel that the configuration gives a test recipient; memory is in the outbox alone."""

    config: Heartbeat
    policy: Policy
    metrics: NotifierMetrics
    _alarmed: dict[str, int] = field(default_factory=dict)

    async def step(self, connection: Connection, now: int) -> None:
        """Judge the beats under way, send those that are due.  Raises psycopg.OperationalError."""
        channels = list(self.config.recipients)
        rows = await connection.execute(_BEATS, [ALERT, RECIPIENT, channels])
        newest = {row[0]: Beat(*row) for row in await rows.fetchall()}
        for channel, address in self.config.recipients.items():
            last = newest.get(channel)
            await self._judge(connection, channel, last, now)
            if last is None or now >= last.created + seconds(self.config.interval_s):
                await _write(connection, beat(channel, address, now=now, policy=self.policy))
        await connection.execute(_FORGET, [ALERT, now - seconds(_KEEP_S)])

    async def _judge(self, connection: Connection, channel: str, last: Beat | None, now: int) -> None:
        problem = problem_of(last, now=now, timeout_s=self.config.timeout_s)
        if last is None or (not problem and last.state != "sent"):
            return
        self.metrics.heartbeat_ok.labels(channel).set(0 if problem else 1)
        if not problem:
            self.metrics.heartbeat_delay.labels(channel).set((last.ended - last.created) / SECOND)
        elif self._alarmed.get(channel) != last.created:
            self._alarmed[channel] = last.created
            log.error("a channel does not get through", channel=channel, problem=problem)
            for way in await self._ways(connection, channel):
                await _write(connection, alarm(last, problem, way, now=now))

    async def _ways(self, connection: Connection, failing: str) -> list[tuple[str, str, str]]:
        """Return the operators by their first other channel, and the last resort whatever it is."""
        rows = await (await connection.execute(_OPERATOR, [self.policy.operator_role])).fetchall()
        ways: dict[str, tuple[str, str, str]] = {}
        for recipient, channel, address in rows:
            if channel != failing and (not self.policy.channels or channel in self.policy.channels):
                ways.setdefault(recipient, (recipient, channel, address))
        return list(dict.fromkeys([*ways.values(), self.policy.last_resort]))


async def _write(connection: Connection, note: Note) -> None:
    await connection.execute(ADD_NOTE, note_row(note))
    await connection.execute("NOTIFY fengsui_outbox")
