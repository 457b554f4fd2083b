"""The doctor against real servers: what is fine, and what it tells people to do."""

import dataclasses

import pytest

from service.config import Config
from service.config_channel import Email, Webhook, WecomRobot
from service.doctor import examine
from service.embedded.port import free_port


@pytest.fixture
def config():
    """A configuration in which nothing is reached."""
    free = free_port()
    return Config(
        mqtt=dataclasses.replace(Config().mqtt, port=free),
        metrics=dataclasses.replace(Config().metrics, pipeline_port=free, notifier_port=free),
        console=dataclasses.replace(Config().console, port=free),
    )


def with_mqtt(config, broker, **more):
    return dataclasses.replace(
        config, mqtt=dataclasses.replace(config.mqtt, host=broker.host, port=broker.port, **more)
    )


def with_dsn(config, dsn):
    return dataclasses.replace(config, database=dataclasses.replace(config.database, dsn=dsn))


def findings(config, folder):
    return {finding.what: finding for finding in examine(config, folder)}


def test_nothing_is_there(config, tmp_path):
    found = findings(config, tmp_path / "not" / "yet")
    for what in ("broker", "database", "pipeline", "notifier", "console", "channels"):
        assert found[what].remedy, what
    for what in ("clock", "disk", "channel log"):
        assert not found[what].remedy, found[what]


def test_links_in_messages(config, tmp_path):
    robot = dataclasses.replace(config, channels={**config.channels, "robot": WecomRobot(key="k")})

    def links(**console):
        chosen = dataclasses.replace(robot, console=dataclasses.replace(config.console, **console))
        return findings(chosen, tmp_path)["links in messages"]

    assert "public_url" in links().remedy
    assert "secret_key" in links(public_url="https://watch.example").remedy
    assert not links(public_url="https://watch.example", secret_key="k" * 20).remedy
    assert "links in messages" not in findings(config, tmp_path)


def test_a_broker_that_takes_us_in(config, nats_broker, tmp_path):
    assert not findings(with_mqtt(config, nats_broker), tmp_path)["broker"].remedy


def test_a_broker_that_wants_another_password(config, start_nats, tmp_path):
    broker = start_nats(username="u", password="right")
    wrong = findings(with_mqtt(config, broker, username="u", password="wrong"), tmp_path)["broker"]
    assert "password" in wrong.remedy
    right = findings(with_mqtt(config, broker, username="u", password="right"), tmp_path)["broker"]
    assert not right.remedy


def test_a_database_without_tables(config, empty_database, tmp_path):
    found = findings(with_dsn(config, empty_database), tmp_path)
    assert found["database"].found.startswith("PostgreSQL")
    assert "fengsui migrate" in found["tables"].remedy
    assert not found["database's clock"].remedy


def test_a_database_with_tables(config, database, tmp_path):
    found = findings(with_dsn(config, database), tmp_path)
    assert not found["tables"].remedy, found["tables"]
    assert found["TimescaleDB"].found


def test_a_database_that_is_not_there(config, tmp_path):
    found = findings(with_dsn(config, f"host=127.0.0.1 port={free_port()} dbname=x user=x"), tmp_path)
    assert "[database] dsn" in found["database"].remedy


def test_channels(config, nats_broker, tmp_path):
    channels = {
        "reached": Webhook(url=f"http://127.0.0.1:{nats_broker.monitor_port}/hook"),
        "away": WecomRobot(url=f"http://127.0.0.1:{free_port()}/send"),
        "typo": Webhook(url="htp:/x"),
        "by contact": Webhook(),
        "post": Email(host="127.0.0.1", port=free_port(), sender="f@x.example"),
    }
    found = findings(dataclasses.replace(config, channels=channels), tmp_path)
    assert not found["channel reached"].remedy
    assert not found["channel by contact"].remedy
    assert "firewall" in found["channel away"].remedy
    assert "firewall" in found["channel post"].remedy
    assert "https://" in found["channel typo"].remedy
    assert "channels" not in found
