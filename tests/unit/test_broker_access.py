"""What a gateway may do at the broker, and how that is written for nats-server and Mosquitto."""

import pytest

from ingest.feed import Feed
from ingest.guard import names_sender
from registry.credentials import Grant
from service.broker_auth import (
    ServiceUser,
    access_of,
    everyone,
    mosquitto_acl,
    mosquitto_passwords,
    nats_subjects,
    nats_users,
)

NATIVE = Feed("fs/v1/+/+", "native")
SHARED = Feed("v1/gateway/telemetry", "thingsboard")
PREFIXED = Feed("tb/{gateway}/v1/gateway/telemetry", "thingsboard")
ANSWERED = Feed("hj212/{gateway}/up", "hj212")
BY_DEVICE = Feed("tele/{device}/SENSOR", "tasmota")
FIXED = Feed("plc/#", "mapping", gateway="gw-9")
SERVICE = ServiceUser("fengsui", "$2a$04$hash")


def test_a_gateway_publishes_on_its_own_topics_and_reads_its_own_answers():
    access = access_of("gw-1", [], [NATIVE, SHARED, PREFIXED, ANSWERED, FIXED])
    assert access.publish == ("fs/v1/gw-1/+", "tb/gw-1/v1/gateway/telemetry", "hj212/gw-1/up")
    assert access.subscribe == ("fs/v1/gw-1/$down/#", "hj212/gw-1/down")


def test_topics_that_name_no_gateway_are_for_those_that_are_allowed_them():
    assert "v1/gateway/telemetry" not in access_of("gw-1", [], [SHARED]).publish
    assert access_of("gw-1", [], [SHARED], shared=True).publish == ("v1/gateway/telemetry",)


def test_topics_that_name_a_device_are_for_its_gateway():
    access = access_of("gw-1", ["plug-1", "1 #", "a/b", "+", ""], [BY_DEVICE], shared=True)
    assert access.publish == ("tele/plug-1/SENSOR",)


def test_a_feed_of_one_gateway_is_for_that_one():
    assert access_of("gw-9", [], [FIXED]).publish == ("plc/#",)
    assert access_of("gw-1", [], [FIXED], shared=True).publish == ()


def test_it_is_told_which_feeds_leave_the_sender_open():
    assert [names_sender(feed) for feed in (NATIVE, SHARED, PREFIXED, BY_DEVICE, FIXED)] == [
        True, False, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "subjects"),
    [
        ("fs/v1/gw-1/+", ["fs.v1.gw-1.*"]),
        ("fs/v1/gw.1/$down/#", ["fs.v1.gw//1.$down", "fs.v1.gw//1.$down.>"]),
        ("#", [">"]),
        ("/a//b/", ["/.a./.b./"]),
    ],
)
def test_topics_become_subjects_as_nats_writes_them(topic, subjects):
    assert nats_subjects(topic) == subjects


def test_nobody_without_credentials_reads_anything():
    text = nats_users([], SERVICE, anonymous=everyone([NATIVE, SHARED]))
    (line,) = (line for line in text.splitlines() if '"anonymous"' in line)
    assert SERVICE.password_hash not in line
    assert 'publish: ["fs.v1.*.*", "v1.gateway.telemetry"], subscribe: { deny: ">" }' in line
    assert '"anonymous"' not in nats_users([], SERVICE)


def test_mosquitto_gets_a_password_and_a_list_of_topics_per_user():
    grant = Grant("gw-1", "gw-1~2", "$2a$", "$7$101$c2FsdA==$aGFzaA==", shared_topics=False, expires=None)
    access = access_of("gw-1", [], [NATIVE])
    assert mosquitto_passwords([grant], ServiceUser("fengsui", "$7$x")) == (
        "fengsui:$7$x\ngw-1~2:$7$101$c2FsdA==$aGFzaA==\n"
    )
    acl = mosquitto_acl([(grant, access)], SERVICE)
    assert "user fengsui\ntopic readwrite #\n" in acl
    assert acl.endswith("user gw-1~2\ntopic write fs/v1/gw-1/+\ntopic read fs/v1/gw-1/$down/#\n")
