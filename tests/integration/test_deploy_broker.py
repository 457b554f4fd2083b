"""deploy/nats on a real nats-server, with the gatekeeper of docker-compose.yml: who comes in, from the first start on."""

import asyncio
import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

import aiomqtt
import psycopg
import pytest
import yaml

from core.time import clock_ns
from registry import credentials
from service.config import find, load
from service.embedded import process
from service.embedded.nats import program
from service.embedded.port import free_port
from service.gatekeeper import Gatekeeper, terms_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20
TOWN = """
INSERT INTO registry_area (id, code, name, level) VALUES (1, '99', 'p', 'province');
INSERT INTO registry_enterprise (id, code, name, name_en, area_id, address, industry, category, sector, department, dust_kind, dust_workers, active)
VALUES (1, 'E1', '一厂', '', 1, '', '', '', '', '', 'none', 0, true);
INSERT INTO registry_gateway (code, enterprise_id, zone, lenient, active)
VALUES ('gw-1', 1, 'UTC', false, true), ('gw-2', 1, 'UTC', false, true);
"""


class Deployment:
    """What docker-compose.yml says, with folders under `folder` for the container's."""

    def __init__(self, folder, dsn):
        self.folder, self.dsn = folder, dsn
        self.port, self.users = free_port(), folder / "users" / "users.conf"
        self.secrets, self.log = folder / "secrets", folder / "log"
        self.users.parent.mkdir()
        self.config = self._nats_conf()
        subprocess.run(
            ["sh", str(ROOT / "deploy" / "secrets.sh"), str(self.secrets)], check=True, capture_output=True
        )
        (self.secrets / "database_dsn").write_text(dsn)

    def _nats_conf(self):
        text = (ROOT / "deploy" / "nats" / "nats.conf").read_text("utf-8")
        for before, after in {
            "port: 4222": f'host: "127.0.0.1"\nport: {free_port()}',
            "port: 1883": f'host: "127.0.0.1"\n  port: {self.port}',
            "0.0.0.0:8222": f"127.0.0.1:{free_port()}",
            "/data/jetstream": str(self.folder / "jetstream"),
            "/tmp/nats.pid": str(self.folder / "nats.pid"),
        }.items():
            assert before in text
            text = text.replace(before, after)
        config = self.folder / "etc" / "nats" / "nats.conf"
        config.parent.mkdir(parents=True)
        config.write_text(text)
        return config

    @contextlib.contextmanager
    def broker(self):
        """start.sh as the container runs it."""
        env = {
            "PATH": f"{Path(program()).parent}{os.pathsep}{os.environ['PATH']}",
            "USERS_FILE": str(self.users),
            "PID_FILE": str(self.folder / "nats.pid"),
        }
        command = ["sh", str(ROOT / "deploy" / "nats" / "start.sh"), "--config", str(self.config)]
        with self.log.open("wb") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out, env=env)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while "Server is ready" not in self.log.read_text():
                assert server.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)
            yield server
        finally:
            server.terminate()
            server.wait(20)

    @contextlib.contextmanager
    def gatekeeper(self):
        """`fengsui run gatekeeper` with the environment of docker-compose.yml."""
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
        env = {
            key: str(value)
            .replace("/run/secrets", str(self.secrets))
            .replace("/users/", f"{self.users.parent}/")
            .replace("/etc/fengsui/", f"{ROOT}/deploy/")
            for key, value in compose["services"]["gatekeeper"]["environment"].items()
        }
        config = load(find(env), env)
        keeper = Gatekeeper(config.database.dsn, terms_of(config))
        thread = threading.Thread(target=keeper.run)
        thread.start()
        try:
            yield keeper
        finally:
            keeper.stop()
            thread.join()

    @property
    def ours(self):
        return "fengsui", (self.secrets / "mqtt_password").read_text("utf-8")

    def client(self, name, pair, **more):
        user, password = pair
        return aiomqtt.Client(
            "127.0.0.1", self.port, identifier=name, username=user, password=password, timeout=20, **more
        )

    async def comes_in(self, pair):
        try:
            async with self.client("probe", pair):
                return True
        except aiomqtt.MqttError:
            return False

    async def until(self, wanted, pair):
        deadline = time.monotonic() + PATIENCE_S
        while await self.comes_in(pair) != wanted:
            assert time.monotonic() < deadline, self.log.read_text()
            await asyncio.sleep(0.05)


@pytest.fixture
def site(tmp_path, database):
    return Deployment(tmp_path, database)


@pytest.fixture
def registry(database):
    """A connection to a registry of two gateways."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TOWN)
        yield connection


def issue(registry, gateway):
    issued = credentials.issue(registry, gateway, credentials.utc(clock_ns()))
    return issued.user, issued.secret


def test_before_the_gatekeeper_ran_the_broker_starts_and_lets_nobody_in(site):
    async def attempts():
        pairs = (site.ours, ("gateway", "gateway"), ("nobody yet", ""), (None, None))
        return [await site.comes_in(pair) for pair in pairs]

    with site.broker():
        assert asyncio.run(attempts()) == [False] * 4
        assert site.users.stat().st_mode & 0o077 == 0


def test_the_broker_takes_over_what_the_gatekeeper_writes_and_revokes_within_the_promise(site, registry):
    with site.broker(), site.gatekeeper():
        assert asyncio.run(comes_and_goes(site, registry)) == ["fs/v1/gw-1/dc-1", "fs/v1/gw-1/$status"]


async def comes_and_goes(site, registry):
    await site.until(True, site.ours)
    first, second = issue(registry, "gw-1"), issue(registry, "gw-2")
    await site.until(True, second)
    await site.until(True, first)
    assert not await site.comes_in((None, None))
    async with site.client("fengsui", site.ours) as pipeline, site.client("stays", second):
        await pipeline.subscribe([("fs/v1/+/+", 1), ("v1/gateway/telemetry", 1)])
        async with site.client("gw-1", first) as gateway:
            (granted,) = await gateway.subscribe("fs/v1/+/+", qos=1)
            assert granted.is_failure
            # Denied, but acknowledged all the same: MQTT 3.1.1 has no other answer.
            await gateway.publish("fs/v1/gw-2/dc-1", b"no", qos=1)
            await gateway.publish("v1/gateway/telemetry", b"no", qos=1)
            await gateway.publish("fs/v1/gw-1/dc-1", b"{}", qos=1)
            await gateway.publish("fs/v1/gw-1/$status", b"{}", qos=1)
            credentials.revoke(registry, first[0], credentials.utc(clock_ns()))
            with pytest.raises(aiomqtt.MqttError):
                await asyncio.wait_for(anext(gateway.messages), PATIENCE_S)
        assert not await site.comes_in(first)
        async with asyncio.timeout(PATIENCE_S):
            return [str((await anext(pipeline.messages)).topic) for _ in range(2)]


def test_gateways_come_in_while_the_gatekeeper_is_gone_also_after_a_restart_of_the_broker(site, registry):
    pair = issue(registry, "gw-1")
    with site.broker(), site.gatekeeper():
        asyncio.run(site.until(True, pair))
    with site.broker():
        assert asyncio.run(site.comes_in(pair))


def test_a_list_that_came_before_the_broker_is_kept(site, registry):
    pair = issue(registry, "gw-1")
    with site.gatekeeper():
        deadline = time.monotonic() + PATIENCE_S
        while not site.users.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    said = site.users.read_text()
    with site.broker():
        assert asyncio.run(site.comes_in(pair))
    assert site.users.read_text() == said


def test_an_empty_list_which_would_let_everybody_in_is_refused(site):
    site.users.touch()
    done = subprocess.run(
        ["sh", str(ROOT / "deploy" / "nats" / "start.sh"), "--config", str(site.config)],
        env={"PATH": os.environ["PATH"], "USERS_FILE": str(site.users)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "is empty, which would let everybody in" in done.stderr


def test_the_watcher_ends_with_the_broker(site):
    with site.broker() as server:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        assert len(children) == 1
    assert process.wait_gone(int(children[0]), PATIENCE_S)
