"""A sensor gateway: an MQTT client that keeps what it measured until the broker says that it has it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import structlog
from aiomqtt import MqttError, Will

from simulators.backlog import Backlog, Message
from simulators.line import Connection, Line, connected

log = structlog.get_logger("simulators.gateway")

# Unacknowledged publishes at a time, per gateway: a backlog drains at loopback speed, and stays in order.
WINDOW = 20
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; `t` is the gateway's time in s since 1970."""

    gateway: str
    device: str
    signal: str
    t: float
    value: float


def messages(readings: list[Reading]) -> list[tuple[str, str, bytes]]:
    """Return (gateway, topic, payload): one message of rows per device (docs/wire.md §2)."""
    found = []
    for (gateway, device), rows in groupby(readings, attrgetter("gateway", "device")):
        body = [{"m": row.signal, "ts": round(row.t * 1_000), "v": row.value} for row in rows]
        payload = json.dumps({"readings": body}, separators=(",", ":")).encode()
        found.append((gateway, f"fs/v1/{gateway}/{device}", payload))
    return found


class Gateway:
    """One gateway's connection; what it sends stands in the backlog."""

    def __init__(self, code: str, *, line: Line, backlog: Backlog) -> None:
        self.code = code
        self.online = False
        self.acknowledged = 0
        self._line = line
        self._backlog = backlog
        self._something = asyncio.Event()

    def keep(self, topic: str, payload: bytes) -> None:
        """Take a message; it goes out in its turn."""
        self._backlog.add(self.code, topic, payload)
        self._something.set()

    async def run(self) -> None:
        """Stay connected for ever; a lost line is tried again with growing, jittered pauses."""
        delay_s = FIRST_DELAY_S
        while True:
            began = time.monotonic()
            try:
                will = Will(self._status_topic, b'{"online":false}', qos=1)
                async with connected(self._line, identifier=self.code, window=WINDOW, will=will) as line:
                    await self._talk(line)
                reason = "the broker went away"
            except (MqttError, OSError) as error:
                reason = str(error)
            finally:
                self.online = False
            log.info("line lost", gateway=self.code, reason=reason, waiting=self._backlog.depth(self.code))
            delay_s = FIRST_DELAY_S if time.monotonic() - began > LONGEST_DELAY_S else delay_s
            await asyncio.sleep(random.uniform(0, delay_s))
            delay_s = min(LONGEST_DELAY_S, delay_s * 1.8)

    @property
    def _status_topic(self) -> str:
        return f"fs/v1/{self.code}/$status"

    async def _talk(self, line: Connection) -> None:
        """Send what waits, then what comes; return when the line is lost."""
        status = json.dumps({"online": True, "ts": time.time_ns() // 1_000_000})
        self.online = all(await line.publish([(self._status_topic, status.encode())]))
        lost = asyncio.ensure_future(line.wait_lost())
        try:
            while self.online and not lost.done():
                self._something.clear()
                waiting = self._backlog.oldest(self.code, WINDOW)
                if waiting:
                    self.online = await self._send(line, waiting)
                else:
                    something = asyncio.ensure_future(self._something.wait())
                    await asyncio.wait({lost, something}, return_when=asyncio.FIRST_COMPLETED)
                    something.cancel()
        finally:
            lost.cancel()

    async def _send(self, line: Connection, waiting: list[Message]) -> bool:
        """Publish in order, forget what was acknowledged; return whether that was all."""
        answers = await line.publish([message[1:] for message in waiting])
        acknowledged = [message[0] for message, ok in zip(waiting, answers, strict=True) if ok]
        self._backlog.done(self.code, acknowledged)
        self.acknowledged += len(acknowledged)
        return all(answers)
