"""Other sources while messages flow, on both brokers: subscribed to at once, nothing lost, what is gone is let go."""

import itertools
import json
import queue
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from ingest.feed import Feed
from ingest.open_catalog import OpenCatalog
from ingest.readers import read_sources
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source

PATIENCE_S = 30
NATIVE, TASMOTA = Feed("fs/v1/+/+", "native"), Feed("tele/{device}/+", "tasmota")
_number = itertools.count()


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request):
    if request.param == "nats":
        return request.getfixturevalue("start_nats")(ack_wait_s=2)
    return request.getfixturevalue("start_mosquitto")()


class Reader:
    """A pipeline in small that follows its sources."""

    def __init__(self, broker, *feeds):
        self.news = queue.SimpleQueue()
        self.source = Source(
            IngestSettings(filters=feeds, tick_s=0.05),
            BrokerSettings(port=broker.port, client_id="reload", settle_s=0),
            OpenCatalog().catalog,
            news=lambda: None if self.news.empty() else self.news.get(),
        )
        self.values, self.reasons = [], []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.until(lambda: self.source.session.connected)

    def _run(self):
        for delivery in self.source.deliveries():
            self.values += delivery.batch.value.tolist()
            self.reasons += [str(reject.reason) for reject in delivery.rejects]
            delivery.ack()

    def follow(self, *feeds):
        self.news.put(read_sources(feeds))
        self.until(lambda: [reader.feed for reader in self.source.decoder.readers] == list(feeds))

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.source.session.statistics, self.source.session.problem)
            time.sleep(0.01)

    def close(self):
        self.source.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def reader(broker):
    one = Reader(broker, NATIVE)
    yield one
    one.close()


@pytest.fixture
def publish(broker):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sender")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def publish(topic, **payload):
        receipt = client.publish(topic, json.dumps(payload), qos=1)
        receipt.wait_for_publish(PATIENCE_S)
        assert receipt.is_published()

    yield publish
    client.disconnect()
    client.loop_stop()


def heard(reader, publish, value):
    """Publish until the first one arrives: when the broker has the subscription is not told."""
    deadline = time.monotonic() + PATIENCE_S
    while value not in reader.values:
        assert time.monotonic() < deadline
        publish("tele/d/SENSOR", T1=value)
        time.sleep(0.05)


def test_a_new_source_is_heard_beside_the_old_one_on_the_same_connection(reader, publish):
    publish("fs/v1/g/d", m="s", v=1)
    reader.follow(NATIVE, TASMOTA)
    heard(reader, publish, 2.0)
    publish("fs/v1/g/d", m="s", v=3)
    reader.until(lambda: {1.0, 2.0, 3.0} <= set(reader.values) and reader.source.session.n_outstanding == 0)
    assert reader.source.session.statistics.connections == 1
    assert reader.reasons == []


def test_a_source_that_is_gone_is_not_heard_any_more_after_a_new_connection_neither(reader, publish, broker):
    reader.follow(NATIVE, TASMOTA)
    heard(reader, publish, 2.0)
    reader.follow(NATIVE)
    deadline = time.monotonic() + PATIENCE_S
    while True:  # until the broker has let go of it
        n = reader.source.session.statistics.messages
        publish("tele/d/SENSOR", T1=4)
        publish("fs/v1/g/d", m="s", v=5)
        reader.until(
            lambda n=n: reader.source.session.statistics.messages > n and reader.values[-1:] == [5.0]
        )
        if reader.source.session.statistics.messages == n + 1:
            break
        assert time.monotonic() < deadline
    broker.stop()
    reader.until(lambda: not reader.source.session.connected)
    broker.start()
    reader.until(lambda: reader.source.session.connected)
    assert reader.source.session.filters == ["fs/v1/+/+"]
    assert reader.reasons == []


def test_messages_flow_through_many_changes_and_none_is_lost(reader, publish):
    done = threading.Event()

    def change():
        for n in itertools.count():
            if done.is_set():
                return
            reader.follow(*((NATIVE, TASMOTA), (NATIVE,))[n % 2])

    thread = threading.Thread(target=change)
    thread.start()
    now_ms = time.time_ns() // 10**6
    for n in range(300):
        publish("fs/v1/g/d", m="s", v=n, ts=now_ms - n)
    done.set()
    thread.join(PATIENCE_S)
    reader.until(lambda: sorted(reader.values) == [float(n) for n in range(300)])
    reader.until(lambda: reader.source.session.n_outstanding == 0)
    assert reader.reasons == []
    assert reader.source.session.statistics.connections == 1
