"""Publishes a recording over MQTT, at the pace it was recorded or faster."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from aiomqtt import MqttError

from core.errors import ConfigError
from core.time import MINUTE, MS, SECOND
from simulators.line import Connection, Line, connected
from simulators.recording import Row, Survey

# Publishes under way at a time: beyond this the broker's answer is not what limits.
WINDOW = 200
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0


class At(StrEnum):
    """When the recording takes place.

    original   as recorded: the same readings again are duplicates
    now        the last row is measured now, all others as long before it as they were
    live       the first row is measured now: at speed 1 every row is published when it is measured
    """

    ORIGINAL = "original"
    NOW = "now"
    LIVE = "live"


def shift_ns(at: At, survey: Survey, *, speed: float, now: int) -> int:
    """Return what is added to every time; raises ConfigError when rows would come from the future."""
    if at is At.ORIGINAL:
        return 0
    if at is At.NOW:
        return _whole_ms(now - survey.last)
    span = survey.last - survey.first
    if speed > 1 and span * (1 - 1 / speed) > MINUTE:
        raise ConfigError(
            f"--at live --speed {speed:g}",
            "rows would be measured later than they are published, and be rejected",
            "Take --speed 1, or --at now",
        )
    return _whole_ms(now - survey.first)


def _whole_ms(t_ns: int) -> int:
    return t_ns // MS * MS


def message(row: Row, gateway: str, shift: int) -> tuple[str, bytes]:
    """Return (topic, payload) of one row (docs/wire.md §2)."""
    ts = (row.t + shift) // MS
    body = [{"m": signal, "ts": ts, "v": value} for signal, value in row.values.items()]
    payload = json.dumps({"readings": body}, separators=(",", ":")).encode()
    return f"fs/v1/{gateway}/{row.device}", payload


@dataclass(slots=True)
class Pace:
    """When rows are due on the wall clock.

    speed           seconds of the recording per second; inf = as fast as they are acknowledged
    longest_wait_s  a pause of the recording that would take longer on the wall clock is cut to this
    """

    speed: float
    longest_wait_s: float = 10.0
    _before: int | None = None
    _due_s: float = 0.0

    def due_s(self, t: int) -> float:
        """Return when the row of time `t` (ns) is published, in s after the first one; call it in order."""
        step_s = 0.0 if self._before is None else (t - self._before) / SECOND / self.speed
        self._before = t
        self._due_s += min(max(step_s, 0.0), self.longest_wait_s)
        return self._due_s


class Watcher(Protocol):
    """Who wants to know how it goes."""

    def told(self, n_rows: int, n_values: int, t: int) -> None:
        """Hear what was acknowledged since the last time, and the newest event time of it (ns)."""
        ...

    def trouble(self, reason: str) -> None:
        """Hear why the line is down; it is tried again."""
        ...


@dataclass(slots=True)
class Publisher:
    """Publishes rows at QoS 1, in their order.

    gateway   code of the gateway that they are published for, also the client id
    shift     added to every time, ns
    """

    line: Line
    gateway: str
    shift: int
    watcher: Watcher

    async def publish(self, rows: Iterable[Row], pace: Pace) -> None:
        """Return when the last row has its PUBACK.

        A line that is lost is tried again for ever: what has no PUBACK is sent again first.
        """
        chunks = _chunks(rows, pace)
        chunk = await anext(chunks, None)
        delay_s = FIRST_DELAY_S
        while chunk:
            try:
                async with connected(self.line, identifier=self.gateway, window=WINDOW) as connection:
                    delay_s = FIRST_DELAY_S
                    while chunk and not (chunk := await self._send(connection, chunk)):
                        chunk = await anext(chunks, None)
                reason = "the broker went away"
            except (MqttError, OSError) as error:
                reason = str(error)
            if chunk:
                self.watcher.trouble(reason)
                await asyncio.sleep(delay_s)
                delay_s = min(LONGEST_DELAY_S, delay_s * 2)

    async def _send(self, connection: Connection, chunk: list[Row]) -> list[Row]:
        """Publish a chunk; return what has to be sent again: the first row without PUBACK, and all behind it."""
        answers = await connection.publish([message(row, self.gateway, self.shift) for row in chunk])
        done = answers.index(False) if False in answers else len(answers)
        if done:
            n_values = sum(len(row.values) for row in chunk[:done])
            self.watcher.told(done, n_values, chunk[done - 1].t + self.shift)
        return chunk[done:]


async def _chunks(rows: Iterable[Row], pace: Pace) -> AsyncIterator[list[Row]]:
    """Yield rows when they are due, at most WINDOW at a time."""
    began = time.monotonic()
    waiting = iter(rows)
    chunk: list[Row] = []
    for row in waiting:
        ahead_s = pace.due_s(row.t) - (time.monotonic() - began)
        if ahead_s > 0 and chunk:
            yield chunk
            chunk = []
        if ahead_s > 0:
            await asyncio.sleep(ahead_s)
        chunk.append(row)
        if len(chunk) == WINDOW:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
