"""The town as a process: its gateways push what they measure to a broker until somebody stops it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from simulators import town
from simulators.backlog import Backlog
from simulators.gateway import Gateway, Reading, messages
from simulators.line import Line

log = structlog.get_logger("simulators.town")

BEAT_S = 0.5
REPORT_S = 60.0
# A process that slept (a closed laptop) measured nothing meanwhile.
LONGEST_STEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The town's time beside the wall clock: equal at `start`, then `speed` times as fast.

    Gateways stamp with the wall clock, as real ones do; only what happens in the town goes faster.
    """

    start: float
    speed: float

    def town(self, wall: float) -> float:
        """Return the town's time, s since 1970."""
        return self.start + (wall - self.start) * self.speed

    def stamped(self, reading: Reading) -> Reading:
        """Return the reading under the wall clock's time."""
        wall = self.start + (reading.t - self.start) / self.speed
        return Reading(reading.gateway, reading.device, reading.signal, wall, reading.value)


def run(
    host: str,
    port: int,
    *,
    seed: int = 1,
    speed: float = 1.0,
    file: Path | None = None,
    backlog: Path | None = None,
    calm: bool = False,
    username: str | None = None,
    password: str | None = None,
    credentials: Path | None = None,
    ca_file: str | None = None,
) -> None:
    """Run the town until SIGINT or SIGTERM.

    file      registry file of the town, None = simulators/town.toml; import the same file into the registry
    backlog   where messages wait for their PUBACK over a restart, None = in memory
    calm      nothing goes wrong
    credentials   JSON, gateway -> [user name, password]; None = `username` and `password` for all
    ca_file   who signed the broker's certificate, None = no TLS
    Raises TownError when no model gives what the file asks for.  A broker that is away is waited for.
    """
    line = Line(host, port, username, password, ca_file)
    own = json.loads(credentials.read_text(encoding="utf-8")) if credentials else {}
    clock = Clock(time.time(), speed)
    model = town.Town(town.read(file), seed=seed, start=clock.start, calm=calm)
    store = Backlog(backlog)
    try:
        asyncio.run(
            _run(model, clock, {code: line.signed(*own.get(code, ())) for code in model.plants}, store)
        )
    finally:
        store.close()


async def _run(model: town.Town, clock: Clock, lines: Mapping[str, Line], store: Backlog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    gateways = {code: Gateway(code, line=line, backlog=store) for code, line in lines.items()}
    log.info("town awake", gateways=len(gateways), sensors=len(model.sensors))
    tasks = [loop.create_task(gateway.run(), name=gateway.code) for gateway in gateways.values()]
    tasks.append(loop.create_task(_measure(model, clock, gateways), name="measure"))
    tasks.append(loop.create_task(_report(gateways, store), name="report"))
    waiting = loop.create_task(stop.wait(), name="stop")
    ended, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, *tasks):
        task.cancel()
    await asyncio.gather(waiting, *tasks, return_exceptions=True)
    # Only the stop may end; anything else that ended has a reason to tell.
    for task in ended - {waiting}:
        task.result()


async def _measure(model: town.Town, clock: Clock, gateways: dict[str, Gateway]) -> None:
    since = clock.start
    while True:
        await asyncio.sleep(BEAT_S)
        until = clock.town(time.time())
        since = max(since, until - LONGEST_STEP_S * clock.speed)
        readings = [clock.stamped(reading) for reading in model.due(since, until)]
        for gateway, topic, payload in messages(readings):
            gateways[gateway].keep(topic, payload)
        _tell(model, since, until)
        since = until


def _tell(model: town.Town, since: float, until: float) -> None:
    for incident in model.story.incidents(until):
        if since < incident.start <= until:
            place = incident.place
            log.info("incident", what=incident.kind.name, gateway=place.gateway, device=place.device)


async def _report(gateways: dict[str, Gateway], store: Backlog) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        log.info(
            "town",
            online=sum(gateway.online for gateway in gateways.values()),
            acknowledged=sum(gateway.acknowledged for gateway in gateways.values()),
            waiting=sum(store.depth(code) for code in gateways),
            dropped=store.dropped,
        )
