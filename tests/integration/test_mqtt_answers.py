"""What goes down to gateways: answers after the commit, rebirth commands, our presence; on both brokers."""

import contextlib
import itertools
import json
import struct
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from ingest.feed import Feed
from ingest.formats.sparkplug_wire import read
from ingest.open_catalog import OpenCatalog
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source

PATIENCE_S = 20
# NATS refuses a dot in a client id.
_number = itertools.count()
FRAME = (
    b"##0140QN=20261121090000123;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&DataTime=20261121090000;a34013-Rtd=12.6,a34013-Flag=N&&5880\r\n"
)
ANSWER = (
    b"##0087QN=20261121090000123;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&1F40\r\n"
)
STATE = "spBv1.0/STATE/fengsui"


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request):
    if request.param == "nats":
        return request.getfixturevalue("start_nats")()
    return request.getfixturevalue("start_mosquitto")()


@contextlib.contextmanager
def pipeline(broker, *feeds):
    """A source whose deliveries wait for `go` before they are acknowledged."""
    settings = IngestSettings(filters=feeds, tick_s=0.05)
    source = Source(
        settings, BrokerSettings(port=broker.port, client_id="answers", settle_s=0), OpenCatalog().catalog
    )
    go, taken = threading.Event(), []

    def work():
        for delivery in source.deliveries():
            if delivery.messages:
                taken.append(delivery)
                go.wait(PATIENCE_S)
            delivery.ack()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: source.session.connected)
    yield source, go, taken
    go.set()
    source.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@contextlib.contextmanager
def gateway(broker, topic):
    """A client that listens on a topic; yields it and what it heard."""
    heard, listening = [], threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"gateway-{next(_number)}")
    client.on_message = lambda _c, _u, packet: heard.append((packet.payload, packet.retain))
    client.on_subscribe = lambda *_: listening.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe(topic, 1)
    assert listening.wait(PATIENCE_S)
    yield client, heard
    client.disconnect()
    client.loop_stop()


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_hj212_answer_comes_after_the_commit_and_not_before(broker):
    feed = Feed("hj212/{gateway}/up", "hj212")
    with pipeline(broker, feed) as (_source, go, taken), gateway(broker, "hj212/gw1/down") as (client, heard):
        client.publish("hj212/gw1/up", FRAME, qos=1).wait_for_publish(PATIENCE_S)
        until(lambda: taken)
        assert heard == []
        go.set()
        until(lambda: heard)
        assert heard == [(ANSWER, False)]


def test_data_before_a_birth_asks_its_node_for_one(broker):
    metric = b"\x10\x07\x65" + struct.pack("<f", 1.5)
    data = b"\x08\x80\x80\x8d\xf8\xdc\x9f\x34\x12" + bytes([len(metric)]) + metric + b"\x18\x05"
    feeds = (Feed("spBv1.0/+/+/+", "sparkplug"), Feed("spBv1.0/+/+/+/+", "sparkplug"))
    with (
        pipeline(broker, *feeds) as (_source, go, taken),
        gateway(broker, "spBv1.0/g/NCMD/e") as (client, heard),
    ):
        go.set()
        client.publish("spBv1.0/g/NDATA/e", data, qos=0)
        until(lambda: heard)
        metric = read(heard[0][0]).metrics[0]
        assert (metric.name, metric.value) == ("Node Control/Rebirth", True)
        assert [reject.reason for reject in taken[0].rejects] == ["incomplete"]


def test_our_presence_is_retained_and_our_going_is_told(broker):
    feed = Feed("spBv1.0/+/+/+", "sparkplug", host="fengsui")
    with gateway(broker, STATE) as (_client, heard):
        with pipeline(broker, feed):
            until(lambda: heard)
            assert json.loads(heard[0][0])["online"] is True
            with gateway(broker, STATE + "/#") as (_late, retained):
                until(lambda: retained)
                assert retained[0] == (heard[0][0], True)
        until(lambda: len(heard) > 1)
        assert json.loads(heard[-1][0]) == {
            "online": False,
            "timestamp": json.loads(heard[0][0])["timestamp"],
        }
