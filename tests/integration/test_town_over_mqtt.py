"""The town's gateways against a real broker: what was measured arrives, whatever happens to the line."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import aiomqtt

from simulators.backlog import Backlog
from simulators.gateway import Gateway
from simulators.line import Line

PATIENCE_S = 60


async def listen(broker, topic_filter, arrived, ready):
    """Put (topic, payload) into `arrived`, over as many connections as it takes; the session is kept."""
    while True:
        try:
            client = aiomqtt.Client(broker.host, broker.port, identifier="listener", clean_session=False)
            async with client:
                await client.subscribe(topic_filter, qos=1)
                ready.set()
                async for message in client.messages:
                    arrived.append((str(message.topic), message.payload))
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)


async def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def push(broker, store, arrived, *, n_messages):
    """Three gateways push; the broker is killed twice meanwhile."""
    ready = asyncio.Event()
    gateways = [Gateway(f"g{k}", line=Line(broker.host, broker.port), backlog=store) for k in range(3)]
    tasks = [asyncio.create_task(listen(broker, "fs/v1/#", arrived, ready))]
    await asyncio.wait_for(ready.wait(), PATIENCE_S)
    tasks += [asyncio.create_task(gateway.run()) for gateway in gateways]
    for number in range(n_messages):
        for gateway in gateways:
            gateway.keep(f"fs/v1/{gateway.code}/d", str(number).encode())
        if number in (n_messages // 3, 2 * n_messages // 3):
            await until(lambda: any(gateway.acknowledged for gateway in gateways))
            broker.kill()
            await asyncio.sleep(0.2)
            await asyncio.to_thread(broker.start)
        await asyncio.sleep(0.001)
    await until(lambda: not any(store.depth(gateway.code) for gateway in gateways))
    await until(lambda: all(count(arrived)[f"g{k}"] == n_messages for k in range(3)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def count(arrived):
    distinct = defaultdict(set)
    for topic, payload in arrived:
        if not topic.endswith("$status"):
            distinct[topic.split("/")[2]].add(payload)
    return {code: len(payloads) for code, payloads in distinct.items()} | {
        f"g{k}": len(distinct.get(f"g{k}", ())) for k in range(3)
    }


def test_nothing_that_was_measured_is_lost_when_the_broker_is_killed(start_nats, tmp_path):
    broker = start_nats()
    store, arrived = Backlog(tmp_path / "backlog.db"), []
    asyncio.run(push(broker, store, arrived, n_messages=150))
    store.close()
    statuses = [json.loads(payload) for topic, payload in arrived if topic.endswith("$status")]
    assert sum(status["online"] for status in statuses) >= 3


def test_the_town_as_a_process_shows_its_first_incident_and_ends_on_sigterm(nats_broker, tmp_path):
    program = (
        "import sys; from simulators.town_process import run; "
        "run(sys.argv[1], int(sys.argv[2]), seed=1, speed=10.0, backlog=None)"
    )
    log = tmp_path / "town.log"
    with log.open("w") as out:
        town = subprocess.Popen(
            [sys.executable, "-c", program, nats_broker.host, str(nats_broker.port)],
            stdout=out, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        hottest = asyncio.run(watch_the_hopper(nats_broker))
    finally:
        town.send_signal(signal.SIGTERM)
        assert town.wait(20) == 0, log.read_text()
    assert hottest > 70
    assert "hopper smoulders" in log.read_text()


async def watch_the_hopper(broker):
    async with asyncio.timeout(PATIENCE_S), aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe("fs/v1/gw-01/dc-1", qos=1)
        async for message in client.messages:
            for row in json.loads(message.payload)["readings"]:
                assert abs(row["ts"] / 1_000 - time.time()) < 20
                if row["m"] == "hopper_temperature" and row["v"] > 70:
                    return row["v"]
    return None
