"""The source against real brokers: nothing is acknowledged early, nothing is lost, nothing wedges it."""

import contextlib
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from core.time import clock_ns
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source
from tests.fakes.gateways import TOPIC, catalog, one

PATIENCE_S = 30


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request):
    if request.param == "nats":
        # Unacknowledged messages come back after this; the default of a minute is for slow databases.
        return request.getfixturevalue("start_nats")(ack_wait_s=2)
    return request.getfixturevalue("start_mosquitto")()


class Reader:
    """A pipeline in small: reads deliveries in a thread, keeps them, acknowledges when told to."""

    def __init__(self, broker, *, client_id="reader", acks=True, settings=None, **more):
        self.acks = acks
        self.deliveries = []
        self.hold = threading.Event()
        self.hold.set()
        settings = settings or IngestSettings(tick_s=0.05, **more)
        self.source = Source(settings, BrokerSettings(
            host=broker.host, port=broker.port, client_id=client_id,
            reconnect_min_s=0.05, reconnect_max_s=2.0,
        ), catalog())  # fmt: skip
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.until(lambda: self.source.session.connected)
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.source.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def _run(self):
        for delivery in self.source.deliveries():
            self.hold.wait(PATIENCE_S)
            self.deliveries.append(delivery)
            if self.acks:
                delivery.ack()

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.source.session.statistics, self.source.session.problem)
            time.sleep(0.01)

    @property
    def values(self):
        return [value for delivery in list(self.deliveries) for value in delivery.batch.value.tolist()]

    @property
    def reasons(self):
        return [reject.reason.value for delivery in list(self.deliveries) for reject in delivery.rejects]


class Publisher:
    """A gateway: publishes at QoS 1 and waits for the PUBACKs; connects again when the broker was away."""

    def __init__(self, broker, client_id="gateway"):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, *payloads, topic=TOPIC):
        """Return when the broker has stored them all."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.client.is_connected():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for receipt in [self.client.publish(topic, payload, qos=1) for payload in payloads]:
            receipt.wait_for_publish(PATIENCE_S)
            assert receipt.is_published()


def readings(first, n):
    """Payloads with the values first … first + n - 1, each at its own ms of the last minute."""
    start = clock_ns() // 10**6 - 60_000
    return [one("pressure_drop", float(number), start + number) for number in range(first, first + n)]


def numbers(first, n):
    return [float(number) for number in range(first, first + n)]


def test_readings_arrive_in_order_and_the_ledger_closes(broker):
    with Reader(broker) as reader, Publisher(broker) as gateway:
        gateway.publish(*readings(0, 200))
        reader.until(lambda: len(reader.values) == 200)
        assert reader.values == numbers(0, 200)
        assert sum(delivery.received.get(1, 0) for delivery in reader.deliveries) == 200
        reader.until(lambda: reader.source.session.n_outstanding == 0)
        assert reader.source.in_flight() == {}


def test_ticks_come_when_nothing_else_does(broker):
    with Reader(broker) as reader:
        reader.until(lambda: len(reader.deliveries) >= 3)
        assert all(len(delivery.batch) == 0 and delivery.messages == 0 for delivery in reader.deliveries)
        assert reader.deliveries[-1].connected


def test_nothing_is_acknowledged_before_ack(broker):
    """Without ack the next process gets every message again."""
    with Reader(broker, acks=False) as reader, Publisher(broker) as gateway:
        gateway.publish(*readings(0, 50))
        reader.until(lambda: len(reader.values) == 50)
        assert reader.source.in_flight() == {1: 50}
        assert reader.source.session.statistics.acknowledged == 0
    with Reader(broker) as successor:
        successor.until(lambda: len(successor.values) == 50)
        assert sorted(successor.values) == numbers(0, 50)


def test_what_was_acknowledged_does_not_come_again(broker):
    with Reader(broker) as reader, Publisher(broker) as gateway:
        gateway.publish(*readings(0, 50))
        reader.until(lambda: reader.source.session.statistics.acknowledged == 50)
    with Reader(broker) as successor, Publisher(broker) as gateway:
        gateway.publish(*readings(100, 1))
        successor.until(lambda: len(successor.values) >= 1)
        time.sleep(0.3)  # a repeat would have come by now, as in the test above
        assert successor.values == [100.0]


def test_acknowledgements_given_just_before_the_end_are_sent(broker):
    """The last delivery of an orderly stop is not delivered again."""
    with Reader(broker) as reader, Publisher(broker) as gateway:
        gateway.publish(*readings(0, 300))
        reader.until(lambda: len(reader.values) == 300)
    assert reader.source.session.statistics.acknowledged == 300


def test_the_session_keeps_what_was_published_while_we_were_away(broker):
    with Reader(broker):
        pass
    with Publisher(broker) as gateway:
        gateway.publish(*readings(0, 100))
    with Reader(broker) as reader:
        reader.until(lambda: len(reader.values) == 100)
        assert sorted(reader.values) == numbers(0, 100)


def test_a_killed_broker_loses_nothing_that_it_had_acknowledged(broker):
    """kill -9 with messages here that are not committed: they come back, old acknowledgements are dropped."""
    with Reader(broker) as reader, Publisher(broker) as gateway:
        reader.hold.clear()
        gateway.publish(*readings(0, 100))
        broker.kill()
        reader.until(lambda: not reader.source.session.connected)
        reader.hold.set()
        broker.start()
        reader.until(lambda: reader.source.session.connected)
        gateway.publish(*readings(100, 100))
        reader.until(lambda: set(reader.values) == set(numbers(0, 200)))
        reader.until(lambda: reader.source.session.n_outstanding == 0 and not reader.source.in_flight())
        assert reader.source.session.statistics.connections == 2


def test_a_lost_broker_is_told_as_blindness_not_as_silence(broker):
    with Reader(broker) as reader:
        broker.kill()
        reader.until(lambda: reader.deliveries and not reader.deliveries[-1].connected)
        assert reader.source.session.problem
        broker.start()
        reader.until(lambda: reader.deliveries[-1].connected)


def test_a_full_queue_stops_reading_and_nothing_is_lost(broker):
    with Reader(broker, queue_messages=100, batch_messages=50) as reader, Publisher(broker) as gateway:
        reader.hold.clear()
        gateway.publish(*readings(0, 2000))
        reader.until(lambda: reader.source.session.statistics.pauses > 0)
        assert reader.source.n_waiting < 100 + 64  # one drain more than the bound at most
        reader.hold.set()
        reader.until(lambda: len(set(reader.values)) == 2000)
        assert set(reader.values) == set(numbers(0, 2000))
        assert max(delivery.messages for delivery in reader.deliveries) <= 50


def test_a_copy_of_a_waiting_message_is_not_taken_twice(start_nats):
    """NATS sends again after ack_wait on a living connection; the copy is neither stored nor acknowledged."""
    broker = start_nats(ack_wait_s=1)
    with Reader(broker) as reader, Publisher(broker) as gateway:
        reader.hold.clear()
        gateway.publish(*readings(0, 20))
        reader.until(lambda: reader.source.session.statistics.held >= 20)
        reader.hold.set()
        reader.until(lambda: len(reader.values) >= 20)
        reader.until(lambda: reader.source.session.n_outstanding == 0)
        assert sorted(reader.values) == numbers(0, 20)
        assert reader.source.session.statistics.acknowledged == 20


def test_a_second_pipeline_with_our_client_id_is_told_loudly(broker):
    """They throw each other out; each backs off and says why."""
    with Reader(broker) as reader, contextlib.ExitStack() as stack:
        other = stack.enter_context(Reader(broker))
        reader.until(lambda: any("soon after" in side.source.session.problem for side in (reader, other)))


def test_wrong_credentials_are_told(start_nats):
    broker = start_nats(username="pipeline", password="right")
    source = Source(
        IngestSettings(tick_s=0.05), BrokerSettings(port=broker.port, username="pipeline", password="wrong",
                                       reconnect_min_s=0.05), catalog(),
    )  # fmt: skip
    deliveries = source.deliveries()
    deadline = time.monotonic() + PATIENCE_S
    while "refuses" not in source.session.problem and "lost" not in source.session.problem:
        assert time.monotonic() < deadline
        assert not next(deliveries).connected
    source.stop()
    deliveries.close()


def test_a_refused_filter_is_told_and_the_others_work(start_nats):
    """Two filters of 60,000 are more than a session of NATS may have: the second one gets 0x80."""
    broker = start_nats(max_ack_pending=60_000)
    with Reader(broker) as reader, Publisher(broker) as gateway:
        reader.until(lambda: reader.source.session.statistics.refused_filters == 1)
        assert "v1/gateway/telemetry" in reader.source.session.problem
        gateway.publish(*readings(0, 10))
        reader.until(lambda: len(reader.values) == 10)


MALFORMED = [
    b"", b"{", b"[", b"null", b"42", b'"text"', b"\xff\xfe\x00", b"\x00" * 100, b"[" * 5000, b'{"m":' * 5000,
    b'{"m": "hopper_temperature"}', b'{"m": 7, "v": 1}', b'{"m": "hopper_temperature", "v": "41.5"}',
    b'{"m": "hopper_temperature", "v": NaN}', b'{"m": "hopper_temperature", "v": 1e999}',
    b'{"m": "hopper_temperature", "v": 9999}', b'{"m": "nobody", "v": 1}',
    b'{"m": "hopper_temperature", "v": 1, "ts": 99999999999999}',
    b'{"m": "hopper_temperature", "v": 1, "ts": 1}',
    b'{"readings": {"m": 1}}', b'{"t0": 1, "series": 3}', b"x" * 300_000, b'{"m": "\\ud800", "v": 1}',
]  # fmt: skip


def test_malformed_messages_between_good_ones_stop_nothing(broker):
    """Each becomes one reject, every good one arrives, all are acknowledged."""
    good = readings(0, len(MALFORMED))
    with Reader(broker) as reader, Publisher(broker) as gateway:
        for bad, well in zip(MALFORMED, good, strict=True):
            gateway.publish(bad, well)
        gateway.publish(good[0], topic="fs/v1/nobody/dust1")
        gateway.publish(good[0], topic="fs/v1/gw1/nobody")
        reader.until(lambda: len(reader.values) == len(good) and len(reader.reasons) == len(MALFORMED) + 2)
        assert reader.values == numbers(0, len(good))
        reader.until(lambda: reader.source.session.n_outstanding == 0)
        assert reader.source.session.statistics.redelivered == 0
