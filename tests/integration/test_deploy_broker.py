"""deploy/nats/nats.conf on a real nats-server: who may connect, publish and subscribe."""

import asyncio
import subprocess
import time
from pathlib import Path

import aiomqtt
import pytest

from service.embedded.nats import program
from service.embedded.port import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


@pytest.fixture
def broker(tmp_path):
    """A broker under the deployment's configuration, on free loopback ports; gives (port, secrets)."""
    secrets = tmp_path / "run" / "secrets"
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(secrets)], check=True, capture_output=True)
    mqtt, client, monitor = free_port(), free_port(), free_port()
    text = (ROOT / "deploy" / "nats" / "nats.conf").read_text("utf-8")
    for before, after in {
        "port: 4222": f'host: "127.0.0.1"\nport: {client}',
        "port: 1883": f'host: "127.0.0.1"\n  port: {mqtt}',
        "0.0.0.0:8222": f"127.0.0.1:{monitor}",
        "/data/jetstream": str(tmp_path / "jetstream"),
    }.items():
        assert before in text
        text = text.replace(before, after)
    config = tmp_path / "etc" / "nats" / "nats.conf"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen([program(), "--config", str(config)], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Server is ready" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield mqtt, secrets
    finally:
        server.terminate()
        server.wait(20)


def client(broker, user, secret, **more):
    port, secrets = broker
    password = (secrets / secret).read_text("utf-8")
    return aiomqtt.Client("127.0.0.1", port, username=user, password=password, **more)


def test_gateways_publish_readings_and_the_pipeline_receives_them(broker):
    assert asyncio.run(both_formats(broker)) == ["fs/v1/gw-1/dc-1", "v1/gateway/telemetry"]


async def both_formats(broker):
    arrived = []
    async with asyncio.timeout(PATIENCE_S):
        async with client(broker, "fengsui", "mqtt_password", identifier="fengsui") as pipeline:
            await pipeline.subscribe([("fs/v1/+/+", 1), ("v1/gateway/telemetry", 1), ("other/#", 1)])
            async with client(broker, "gateway", "gateway_password", identifier="gw-1") as gateway:
                # Denied, but acknowledged all the same: MQTT 3.1.1 has no other answer.
                await gateway.publish("other/topic", b"no", qos=1)
                await gateway.publish("fs/v1/gw-1/dc-1", b"{}", qos=1)
                await gateway.publish("v1/gateway/telemetry", b"{}", qos=1)
            async for message in pipeline.messages:
                arrived.append(str(message.topic))
                if len(arrived) == 2:
                    return arrived
    return None


def test_a_gateway_reads_nothing(broker):
    async def attempt():
        async with client(broker, "gateway", "gateway_password", identifier="gw-1") as gateway:
            return await gateway.subscribe("fs/v1/+/+", qos=1)

    (granted,) = asyncio.run(attempt())
    assert granted.is_failure


@pytest.mark.parametrize(("user", "secret"), [("fengsui", "gateway_password"), ("nobody", "mqtt_password")])
def test_nobody_comes_in_without_the_right_password(broker, user, secret):
    async def attempt():
        async with client(broker, user, secret):
            pass

    with pytest.raises(aiomqtt.MqttError):
        asyncio.run(attempt())
