"""`fengsui up` with credentials: who publishes for another stores nothing and is reported; revoked is out at once."""

import json
import shutil
import subprocess
import time

import paho.mqtt.client as mqtt
import psycopg
import pytest
from test_up import Up

from service.embedded.postgres import DATABASE, Postgres

TOWN = """
[[area]]
code = "99"
name = "示例街道"
level = "street"
[[enterprise]]
code = "E1"
name = "一厂"
area = "99"
[[enterprise]]
code = "E2"
name = "二厂"
area = "99"
[[gateway]]
code = "gw-1"
enterprise = "E1"
[[gateway]]
code = "gw-2"
enterprise = "E2"
[[device]]
gateway = "gw-1"
code = "dc-1"
name = "1号除尘器"
profile = "dry_dust_collector"
series = [{ signal = "hopper_temperature" }]
[[device]]
gateway = "gw-2"
code = "dc-2"
name = "2号除尘器"
profile = "dry_dust_collector"
series = [{ signal = "hopper_temperature" }]
"""
PATIENCE_S = 30


@pytest.fixture
def up(tmp_path):
    """A running service that asks for credentials, with a town of two enterprises."""
    one = Up(
        tmp_path / "data", env={"FENGSUI_MQTT__ANONYMOUS": "false", "FENGSUI_DATA": str(tmp_path / "data")}
    )
    try:
        one.until_ready()
        (tmp_path / "town.toml").write_text(TOWN)
        run(one, "registry", "import", str(tmp_path / "town.toml"))
        yield one
        assert one.stop() == 0
    finally:
        one.end()


def run(up, *words, code=0):
    done = up.fengsui(*words)
    assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


def add(up, gateway):
    return json.loads(run(up, "gateway", "add", gateway, "--json"))


class Gateway:
    """A gateway as its installer has set it up."""

    def __init__(self, settings, name="here"):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=settings["client_id"] + name)
        self.client.username_pw_set(settings["user"], settings["password"])
        self.settings, self.answers = settings, []
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.answers.append(not reason.is_failure)
        self.client.connect(settings["host"], settings["port"])
        self.client.loop_start()
        self.wait(lambda: self.answers)

    @property
    def accepted(self):
        return self.answers[-1]

    def publish(self, topic, value):
        payload = {"m": "hopper_temperature", "ts": time.time_ns() // 1_000_000, "v": value}
        self.client.publish(topic, json.dumps(payload), qos=1).wait_for_publish(10)

    def wait(self, condition, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def close(self):
        self.client.loop_stop()
        self.client.disconnect()


def come_in(settings):
    """Connect as soon as the broker knows the credentials."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        gateway = Gateway(settings)
        if gateway.accepted:
            return gateway
        gateway.close()
        assert time.monotonic() < deadline, "a new credential is not known"
        time.sleep(0.1)


def rows(up, sql):
    server = Postgres(up.data / "postgres")
    server.socket_folder = server._choose_socket_folder()
    port = json.loads((up.data / "up.json").read_text())["addresses"]["postgres"].rpartition(":")[2]
    server.tcp_port = int(port)
    with psycopg.connect(server.tcp_dsn(DATABASE), autocommit=True) as connection:
        return connection.execute(sql).fetchall()


def wait_for(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


READINGS = """SELECT g.code, r.value FROM readings r JOIN registry_series s ON s.id = r.series_id
    JOIN registry_device d ON d.id = s.device_id JOIN registry_gateway g ON g.id = d.gateway_id ORDER BY r.value"""


def test_a_gateway_is_held_to_its_own_topics_and_a_revoked_one_is_out_within_seconds(up):
    first, second = add(up, "gw-1"), add(up, "gw-2")
    one, two = come_in(first), come_in(second)

    # Publishing as another enterprise stores nothing and is reported.
    for value in (41.0, 42.0, 43.0):
        one.publish("fs/v1/gw-2/dc-2", value)
    one.publish("v1/gateway/telemetry", 44.0)
    one.publish("fs/v1/gw-1/dc-1", 51.0)
    two.publish("fs/v1/gw-2/dc-2", 52.0)
    wait_for(lambda: len(rows(up, READINGS)) >= 2)
    found = wait_for(
        lambda: rows(
            up, "SELECT topic, count, detail FROM rejects WHERE reason = 'wrong_owner' ORDER BY topic"
        )
    )
    assert rows(up, READINGS) == [("gw-1", 51.0), ("gw-2", 52.0)]
    assert sum(count for topic, count, _ in found if topic == "fs/v1/gw-2/dc-2") == 3
    assert all(first["user"] in detail for _topic, _count, detail in found)
    ledger = "SELECT g.code, l.received, l.stored, l.rejected FROM ledger l JOIN registry_gateway g ON g.id = l.gateway ORDER BY 1"
    wait_for(lambda: rows(up, ledger) == [("gw-1", 5, 1, 4), ("gw-2", 1, 1, 0)])
    assert json.loads(run(up, "status", "--json", "--data", str(up.data)))["rejects"] == {"wrong_owner": 4}

    # What the installer pastes works, and the trial says what is wrong in words.
    wait_for(lambda: "✓ publish" in trial(up, first))
    assert "the password is wrong" in trial(up, first | {"password": "x" * 32}, code=1)
    assert "no user name of a gateway" in trial(up, first | {"user": "gw-1"}, code=1)
    assert "the broker refuses it" in trial(up, first, "--gateway", "gw-2", code=1)
    if shutil.which("mosquitto_pub"):
        assert subprocess.run(first["example"], shell=True, check=False, timeout=30).returncode == 0

    # A rotation overlaps.
    fresh = json.loads(run(up, "gateway", "rotate", "gw-2", "--json"))
    come_in(fresh).close()
    assert Gateway(second, "again").accepted

    # Revoked credentials stop working, connected or not (how soon: docs/adr/0006).
    n_answers = len(one.answers)
    run(up, "gateway", "revoke", first["user"])
    one.wait(lambda: len(one.answers) > n_answers and not one.answers[-1])
    assert not Gateway(first, "again").accepted
    assert "is revoked" in trial(up, first, code=1)
    listed = json.loads(run(up, "gateway", "list", "gw-1", "--json"))
    assert [(row["user"], row["state"]) for row in listed] == [(first["user"], "revoked")]
    two.publish("fs/v1/gw-2/dc-2", 53.0)
    wait_for(lambda: ("gw-2", 53.0) in rows(up, READINGS))
    for gateway in (one, two):
        gateway.close()


def trial(up, settings, *words, code=0):
    file = up.data.parent / "password"
    file.write_text(settings["password"])
    done = up.fengsui("gateway", "test", settings["user"], "--password-file", str(file), *words)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout
