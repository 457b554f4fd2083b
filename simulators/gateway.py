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
from aiomqtt import Client, MqttError, Will

from simulators.backlog import Backlog

log = structlog.get_logger("simulators.gateway")

# Unacknowledged publishes at a time, per gateway: a backlog drains at loopback speed, and stays in order.
WINDOW = 20
KEEP_ALIVE_S = 30
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; `t` is the gateway's time in s since 1970."""

    gateway: str
    device: str
    signal: str
    t: float
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """Where the broker is and who we are there."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None


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
                async with self._client() as client:
                    await self._talk(client)
            except (MqttError, OSError) as error:
                log.info(
                    "line lost", gateway=self.code, error=str(error), waiting=self._backlog.depth(self.code)
                )
            finally:
                self.online = False
            delay_s = FIRST_DELAY_S if time.monotonic() - began > LONGEST_DELAY_S else delay_s
            await asyncio.sleep(random.uniform(0, delay_s))
            delay_s = min(LONGEST_DELAY_S, delay_s * 1.8)

    def _client(self) -> Client:
        return Client(
            self._line.host,
            self._line.port,
            identifier=self.code,
            username=self._line.username,
            password=self._line.password,
            keepalive=KEEP_ALIVE_S,
            timeout=10,
            will=Will(self._status_topic, b'{"online":false}', qos=1),
        )

    @property
    def _status_topic(self) -> str:
        return f"fs/v1/{self.code}/$status"

    async def _talk(self, client: Client) -> None:
        client.pending_calls_threshold = WINDOW + 1
        status = json.dumps({"online": True, "ts": time.time_ns() // 1_000_000})
        await client.publish(self._status_topic, status.encode(), qos=1)
        self.online = True
        while True:
            self._something.clear()
            waiting = self._backlog.oldest(self.code, WINDOW)
            if waiting:
                await self._send(client, waiting)
            else:
                await self._something.wait()

    async def _send(self, client: Client, waiting: list[tuple[int, str, bytes]]) -> None:
        """Publish in order, forget what was acknowledged; the rest stays and the line counts as lost."""
        results = await asyncio.gather(
            *(client.publish(topic, payload, qos=1) for _, topic, payload in waiting), return_exceptions=True
        )
        pairs = list(zip(waiting, results, strict=True))
        acknowledged = [message[0] for message, result in pairs if result is None]
        self._backlog.done(self.code, acknowledged)
        self.acknowledged += len(acknowledged)
        for result in results:
            if result is not None:
                raise result
