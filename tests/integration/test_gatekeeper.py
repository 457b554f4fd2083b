"""Registry to broker on real servers: who comes in, what he may do, and how fast that changes."""

import asyncio
import contextlib
import json
import signal
import threading
import time
from datetime import timedelta

import aiomqtt
import psycopg
import pytest
from conftest import mosquitto_program, new_nats

from core.time import clock_ns
from ingest.feed import Feed
from registry import credentials
from service.broker_auth import ANONYMOUS, ServiceUser
from service.config import load
from service.embedded import process
from service.embedded.port import free_port
from service.gatekeeper import Gatekeeper, Terms
from service.sources import SourceFiles

PATIENCE_S = 30
FEEDS = (Feed("fs/v1/+/+", "native"), Feed("v1/gateway/telemetry", "thingsboard"))
TOWN = """
INSERT INTO registry_area (id, code, name, level) VALUES (1, '99', 'p', 'province');
INSERT INTO registry_enterprise (id, code, name, name_en, area_id, address, industry, category, sector, department, dust_kind, dust_workers, active)
VALUES (1, 'E1', '一厂', '', 1, '', '', '', '', '', 'none', 0, true), (2, 'E2', '二厂', '', 1, '', '', '', '', '', 'none', 0, true);
INSERT INTO registry_gateway (code, enterprise_id, zone, lenient, active)
VALUES ('gw-1', 1, 'UTC', false, true), ('gw.2', 2, 'UTC', false, true);
"""


def now():
    return credentials.utc(clock_ns())


@pytest.fixture
def site(database, tmp_path):
    """A broker and a gatekeeper over a registry of two gateways; anonymous when asked for."""
    with contextlib.ExitStack() as stack:

        def begin(*, anonymous=False):
            broker = new_nats(
                tmp_path / "nats", users_file="users.conf", anonymous=ANONYMOUS if anonymous else ""
            )
            terms = Terms(
                FEEDS, ServiceUser("fengsui", credentials.bcrypt_of("ours")), anonymous,
                broker.folder / "users.conf", broker.pid_file,
            )  # fmt: skip
            broker.folder.mkdir()
            terms.users_file.write_text(terms.text(()))
            broker.start()
            stack.callback(broker.stop)
            keeper = Gatekeeper(database, terms)
            thread = threading.Thread(target=keeper.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(keeper.stop)
            connection = stack.enter_context(psycopg.connect(database, autocommit=True))
            connection.execute(TOWN)
            return Site(broker, connection, keeper)

        yield begin


class Site:
    def __init__(self, broker, connection, keeper):
        self.broker, self.connection, self.keeper = broker, connection, keeper

    def issue(self, gateway):
        issued = credentials.issue(self.connection, gateway, now())
        return issued.user, issued.secret

    def client(self, name, user=None, password=None, **more):
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            identifier=name,
            username=user,
            password=password,
            timeout=20,
            **more,
        )

    async def comes_in(self, name, pair):
        try:
            async with self.client(name, *pair):
                return True
        except aiomqtt.MqttError:
            return False

    async def until(self, wanted, name, pair):
        """Try until the answer is as wanted."""
        began = time.monotonic()
        while await self.comes_in(name, pair) != wanted:
            assert time.monotonic() - began < PATIENCE_S, self.broker.log.read_text()[-2000:]
            await asyncio.sleep(0.05)


async def heard(client, n, within_s=5.0):
    """Return the first n topics that arrive; fewer when no more come."""
    topics = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for message in client.messages:
                topics.append(str(message.topic))
                if len(topics) == n:
                    break
    return topics


def test_a_new_credential_works_within_seconds_and_a_revoked_one_no_longer(site):
    asyncio.run(comes_and_goes(site()))


async def comes_and_goes(at):
    first, second = at.issue("gw-1"), at.issue("gw-1")
    await at.until(True, "a", first)
    await at.until(True, "b", second)
    async with at.client("kicked", *first) as kicked, at.client("stays", *second) as stays:
        credentials.revoke(at.connection, first[0], now())
        with pytest.raises(aiomqtt.MqttError):
            await asyncio.wait_for(anext(kicked.messages), PATIENCE_S)
        assert not await at.comes_in("a", first)
        await stays.publish("fs/v1/gw-1/dc", b"{}", qos=1)
        assert await at.comes_in("b", second)


def test_a_new_source_is_open_to_gateways_without_a_restart(site, tmp_path):
    file = tmp_path / "fengsui.toml"
    file.write_text("[[sources]]\nfilter = 'fs/v1/+/+'\nformat = 'native'\n")
    at = site()
    at.keeper._sources = SourceFiles(file, load(file, {}))
    assert asyncio.run(follows(at, file)) == "hj212/gw-1/up"


async def follows(at, file):
    pair = at.issue("gw-1")
    await at.until(True, "x", pair)
    async with at.client("fengsui", "fengsui", "ours") as pipeline:
        await pipeline.subscribe("hj212/#", qos=1)
        file.write_text(file.read_text() + "[[sources]]\nfilter = 'hj212/{gateway}/up'\nformat = 'hj212'\n")
        for _ in range(PATIENCE_S):
            async with at.client("x", *pair) as gateway:
                await gateway.publish("hj212/gw-1/up", b"{}", qos=1)
            if found := await heard(pipeline, 1, within_s=1.0):
                return found[0]
    return ""


def test_a_wrong_password_and_no_password_are_refused(site):
    async def attempts(at):
        user, secret = at.issue("gw-1")
        await at.until(True, "a", (user, secret))
        return [
            await at.comes_in("b", pair) for pair in ((user, secret[:-1]), ("gw-1", secret), (None, None))
        ]

    assert asyncio.run(attempts(site())) == [False, False, False]


def test_a_gateway_that_publishes_for_another_reaches_nobody(site):
    at = site()
    topics = asyncio.run(foreign(at))
    assert topics == ["fs/v1/gw-1/dc.1", "fs/v1/gw.2/dc-1", "fs/v1/gw-1/$status"]
    said = at.broker.log.read_text()
    for subject in ("fs.v1.gw//2.dc-1", "v1.gateway.telemetry"):
        assert f'Publish Violation - Subject "{subject}"' in said


async def foreign(at):
    one, two = at.issue("gw-1"), at.issue("gw.2")
    await at.until(True, "x", two)
    await at.until(True, "x", one)
    async with at.client("pipeline", "fengsui", "ours") as ours:
        await ours.subscribe([("fs/v1/+/+", 1), ("v1/gateway/telemetry", 1)])
        async with at.client("gw-1", *one) as gateway:
            await gateway.publish("fs/v1/gw-1/dc.1", b"{}", qos=1)
            await gateway.publish("fs/v1/gw.2/dc-1", b"{}", qos=1)
            await gateway.publish("v1/gateway/telemetry", b"{}", qos=1)
        async with at.client("gw-2", *two) as gateway:
            await gateway.publish("fs/v1/gw.2/dc-1", b"{}", qos=1)
        async with at.client("gw-1", *one) as gateway:
            await gateway.publish("fs/v1/gw-1/$status", b"{}", qos=1)
        return await heard(ours, 4, 1.0)


def test_a_gateway_reads_its_own_answers_and_nothing_else(site):
    assert asyncio.run(reads(site())) == (
        [False, True, True, True, True],
        ["fs/v1/gw.2/$down/set", "fs/v1/gw.2/$down"],
    )


async def reads(at):
    pair = at.issue("gw.2")
    await at.until(True, "x", pair)
    async with at.client("ours", "fengsui", "ours") as ours, at.client("gw-2", *pair) as gateway:
        refused = []
        for pattern in ("fs/v1/gw.2/$down/#", "fs/v1/gw-1/$down/#", "#", "fs/v1/+/+", "$SYS/#"):
            (code,) = await gateway.subscribe(pattern, qos=1)
            refused.append(code.is_failure)
        for topic in ("fs/v1/gw-1/$down/set", "fs/v1/gw.2/$down/set", "fs/v1/gw.2/$down"):
            await ours.publish(topic, b"{}", qos=1)
        return refused, await heard(gateway, 2)


def test_who_takes_over_the_session_of_another_reads_nothing_of_it(site):
    assert asyncio.run(takes_over(site())) == ([], ["fs/v1/gw.2/dc", "fs/v1/gw.2/dc"])


async def takes_over(at):
    thief, victim = at.issue("gw-1"), at.issue("gw.2")
    await at.until(True, "x", victim)
    await at.until(True, "x", thief)
    async with at.client("session", "fengsui", "ours", clean_session=False) as ours:
        await ours.subscribe("fs/v1/+/+", qos=1)
    async with at.client("gw-2", *victim) as gateway:
        await gateway.publish("fs/v1/gw.2/dc", b"{}", qos=1)
        async with at.client("session", *thief, clean_session=False) as stolen:
            await gateway.publish("fs/v1/gw.2/dc", b"{}", qos=1)
            seen = await heard(stolen, 1, 1.0)
    async with at.client("session", "fengsui", "ours", clean_session=False) as ours:
        return seen, await heard(ours, 2)


def test_without_credentials_one_may_publish_readings_where_that_is_allowed_and_read_nothing(site):
    assert asyncio.run(nobody(site(anonymous=True))) == (True, ["fs/v1/gw-1/dc"])


async def nobody(at):
    async with at.client("ours", "fengsui", "ours") as ours, at.client("somebody") as somebody:
        await ours.subscribe("#", qos=1)
        (code,) = await somebody.subscribe("fs/v1/+/+", qos=1)
        await somebody.publish("else/where", b"{}", qos=1)
        await somebody.publish("fs/v1/gw-1/dc", b"{}", qos=1)
        return code.is_failure, await heard(ours, 1)


def test_one_that_ends_by_itself_is_refused_from_then_on(site):
    async def expires(at):
        issued = credentials.issue(at.connection, "gw-1", now(), expires=now() + timedelta(seconds=2))
        pair = issued.user, issued.secret
        await at.until(True, "a", pair)
        await at.until(False, "a", pair)

    asyncio.run(expires(site()))


def test_many_changes_in_a_row_are_few_reloads(site):
    at = site()
    for _ in range(credentials.MOST_VALID):
        last = at.issue("gw-1")
    asyncio.run(at.until(True, "a", last))
    assert at.keeper.n_reloads <= 4


def test_a_broker_that_starts_anew_knows_its_users_without_a_registry(site):
    at = site()
    pair = at.issue("gw-1")
    asyncio.run(at.until(True, "a", pair))
    at.keeper.stop()
    at.broker.kill()
    at.broker.start()
    assert asyncio.run(at.comes_in("a", pair))


# ── Mosquitto ─────────────────────────────────────────────────────────────────
@pytest.fixture
def mosquitto(tmp_path, database):
    """A mosquitto under exported files: gives (port, folder, connection, export)."""
    program = mosquitto_program()
    if not program:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    port, folder = free_port(), tmp_path / "mosquitto"
    (tmp_path / "fengsui.toml").write_text(
        f'[mqtt]\nusername = "fengsui"\npassword = "ours"\n[database]\ndsn = {json.dumps(database)}\n'
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TOWN)

        def export():
            from typer.testing import CliRunner

            from service.cli.gateway import app

            done = CliRunner().invoke(
                app, ["export-mosquitto", str(folder), "--config", str(tmp_path / "fengsui.toml")]
            )
            assert done.exit_code == 0, done.output

        yield Exported(program, port, folder, connection, export)


class Exported:
    def __init__(self, program, port, folder, connection, export):
        self.port, self.folder, self.connection, self.export = port, folder, connection, export
        self.program = program

    @contextlib.contextmanager
    def running(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {self.folder}/passwords\nacl_file {self.folder}/acl\n"
        )
        server = process.spawn(
            [self.program, "-c", str(config)], log=self.folder / "log", death_signal=signal.SIGTERM
        )
        try:
            yield server
        finally:
            process.stop(server, signal.SIGTERM, patience_s=10)

    def client(self, name, user, password):
        return aiomqtt.Client("127.0.0.1", self.port, identifier=name, username=user, password=password)

    async def comes_in(self, user, password):
        try:
            async with self.client("probe", user, password):
                return True
        except aiomqtt.MqttError:
            return False

    async def until(self, wanted, *pair):
        deadline = time.monotonic() + 10
        while await self.comes_in(*pair) != wanted:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def test_mosquitto_keeps_gateways_apart_as_well(mosquitto):
    issued = credentials.issue(mosquitto.connection, "gw-1", now())
    mosquitto.export()
    with mosquitto.running() as server:
        assert asyncio.run(on_mosquitto(mosquitto, issued)) == ["fs/v1/gw-1/dc"]
        credentials.revoke(mosquitto.connection, "gw-1", now())
        mosquitto.export()
        server.send_signal(signal.SIGHUP)
        asyncio.run(mosquitto.until(False, issued.user, issued.secret))


async def on_mosquitto(at, issued):
    await at.until(True, issued.user, issued.secret)
    assert not await at.comes_in(issued.user, "wrong")
    async with (
        at.client("ours", "fengsui", "ours") as ours,
        at.client("gw", issued.user, issued.secret) as gw,
    ):
        await ours.subscribe("#", qos=1)
        await gw.subscribe("fs/v1/+/+", qos=1)
        await gw.publish("fs/v1/gw.2/dc", b"{}", qos=1)
        await gw.publish("fs/v1/gw-1/dc", b"{}", qos=1)
        return await heard(ours, 2, 1.0)
