"""The line to the broker: publish at QoS 1, know what was acknowledged, notice at once when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiomqtt import Client, MqttError, TLSParameters, Will

KEEP_ALIVE_S = 30
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Line:
    """Where the broker is and who we are there; `ca_file` None = no TLS."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def signed(self, username: str | None = None, password: str | None = None) -> Line:
        """Return the line under somebody's own name; without one, as it is."""
        return replace(self, username=username, password=password) if username else self


class Connection:
    """One connection, from its CONNACK on until it is lost."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # aiomqtt tells who iterates that the line is gone; who waits for a PUBACK learns it by his timeout.
        self._lost = asyncio.get_running_loop().create_task(_until_lost(client))

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Publish (topic, payload) in order, all at once; return which of them have their PUBACK."""
        calls = [
            asyncio.ensure_future(self._client.publish(topic, payload, qos=1)) for topic, payload in messages
        ]
        answered = asyncio.gather(*calls, return_exceptions=True)
        waiting: set[asyncio.Future[Any]] = {answered, self._lost}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for call in calls:
                call.cancel()
        results = await answered
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, MqttError):
                raise result
        return [result is None for result in results]

    async def wait_lost(self) -> None:
        """Return when the line is gone."""
        await asyncio.wait({self._lost})

    async def close(self) -> None:
        """Stop watching the line."""
        self._lost.cancel()
        await asyncio.wait({self._lost})


async def _until_lost(client: Client) -> None:
    try:
        async for _ in client.messages:
            pass
    except MqttError:
        return


@asynccontextmanager
async def connected(
    line: Line, *, identifier: str, window: int, will: Will | None = None
) -> AsyncIterator[Connection]:
    """Connect as `identifier`, with up to `window` messages on their way; raises MqttError when it fails."""
    client = Client(
        line.host,
        line.port,
        identifier=identifier,
        username=line.username,
        password=line.password,
        tls_params=TLSParameters(line.ca_file) if line.ca_file else None,
        keepalive=KEEP_ALIVE_S,
        timeout=TIMEOUT_S,
        max_inflight_messages=window,
        will=will,
    )
    client.pending_calls_threshold = window + 1
    async with client:
        connection = Connection(client)
        try:
            yield connection
        finally:
            await connection.close()
