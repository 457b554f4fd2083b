"""Packets of HJ 212 on real brokers: none is acknowledged before its message is whole and committed."""

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as mqtt
import pytest

from ingest.feed import Feed
from ingest.formats.hj212_frame import crc
from ingest.open_catalog import OpenCatalog
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source

PATIENCE_S = 30
UP = "hj212/gw/up"


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request):
    if request.param == "nats":
        return request.getfixturevalue("start_nats")(ack_wait_s=2)
    return request.getfixturevalue("start_mosquitto")()


class Reader:
    """A pipeline in small, that commits at once, in a registry where everything exists."""

    def __init__(self, broker, **settings):
        settings = IngestSettings(filters=(Feed("hj212/{gateway}/up", "hj212"),), tick_s=0.05, **settings)
        place = BrokerSettings(port=broker.port, client_id="packets", settle_s=0)
        self.source = Source(settings, place, OpenCatalog().catalog)
        self.values, self.reasons, self.received, self.repeated = [], [], 0, 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        for delivery in self.source.deliveries():
            self.values += delivery.batch.value.tolist()
            self.reasons += [str(reject.reason) for reject in delivery.rejects]
            self.received += sum(delivery.received.values())
            self.repeated += sum(delivery.duplicates.values())
            delivery.ack()

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.source.session.statistics
            time.sleep(0.01)

    @property
    def n_acknowledged(self):
        return self.source.session.statistics.acknowledged

    @property
    def balanced(self):
        return self.received == len(self.values) + self.repeated + len(self.reasons)


@contextlib.contextmanager
def reading(broker, **settings):
    reader = Reader(broker, **settings)
    reader.thread.start()
    reader.until(lambda: reader.source.session.connected)
    yield reader
    reader.source.stop()
    reader.thread.join(PATIENCE_S)
    assert not reader.thread.is_alive()


def publish(broker, *payloads):
    """Return when the broker has them."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="sender")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for payload in payloads:
        receipt = client.publish(UP, payload, qos=1)
        receipt.wait_for_publish(PATIENCE_S)
        assert receipt.is_published()
    client.disconnect()
    client.loop_stop()


def packets(minute, *cps):
    """The packets of one message; `{time}` is its DataTime."""
    moment = datetime.now(UTC) + timedelta(hours=8, minutes=-minute)
    time_ = f"{moment:%Y%m%d%H%M%S}"
    head = f"QN={time_}000;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=6;PNUM={len(cps)}"
    frames = []
    for no, cp in enumerate(cps, 1):
        data = f"{head};PNO={no};CP=&&{cp.format(time=time_)}&&".encode()
        frames.append(b"##%04d%b%04X\r\n" % (len(data), data, crc(data)))
    return frames


TIMED, SECOND, THIRD = "DataTime={time};a34013-Rtd=1", "a01001-Rtd=2", "a01002-Rtd=3"


def test_packets_are_acknowledged_when_all_of_them_are_there(broker):
    first, second, third = packets(1, TIMED, SECOND, THIRD)
    with reading(broker) as reader:
        publish(broker, third, first)
        reader.until(lambda: sorted(reader.values) == [1.0, 3.0])
        publish(broker, *packets(3, TIMED))  # alone, and so acknowledged; by then the others would be, too
        reader.until(lambda: reader.n_acknowledged == 1)
        assert reader.source.session.n_outstanding == 2
        publish(broker, second)
        reader.until(lambda: reader.n_acknowledged == 4)
        assert sorted(reader.values) == [1.0, 1.0, 2.0, 3.0]
        assert reader.source.session.n_outstanding == 0
        assert not reader.source._kept
        assert reader.balanced


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_process_that_ends_between_the_packets_leaves_them_to_the_next_one(broker, order):
    """What it held in its memory comes again; what was committed already counts as a repeat there."""
    both = packets(1, TIMED, SECOND)
    with reading(broker) as reader:
        publish(broker, both[order[0]])
        reader.until(lambda: reader.source._kept)
        publish(broker, *packets(3, TIMED))
        reader.until(lambda: reader.n_acknowledged == 1)
        assert reader.balanced
    assert reader.source.session.statistics.acknowledged == 1
    with reading(broker) as successor:
        publish(broker, both[order[1]])
        successor.until(lambda: sorted(successor.values) == [1.0, 2.0])
        successor.until(lambda: successor.n_acknowledged == 2)
        assert successor.reasons == []
        assert successor.balanced


def test_a_connection_that_breaks_between_the_packets_does_no_harm(broker):
    """The copies that come by the new connection take the place of what was held."""
    first, second = packets(1, TIMED, SECOND)
    with reading(broker) as reader:
        publish(broker, second)
        reader.until(lambda: reader.source._kept)
        broker.stop()
        reader.until(lambda: not reader.source.session.connected)
        broker.start()
        reader.until(lambda: reader.source.session.connected)
        publish(broker, first)
        reader.until(lambda: 2.0 in reader.values and 1.0 in reader.values)
        reader.until(lambda: reader.source.session.n_outstanding == 0 and not reader.source._kept)
        assert reader.reasons == []
        assert reader.balanced


def test_packets_whose_others_do_not_come_keep_nobody_waiting(broker):
    """So many may be held; then the oldest is a reject, is acknowledged, and the broker sends on."""
    with reading(broker, held_messages=5) as reader:
        publish(broker, *(packets(minute, TIMED, SECOND)[1] for minute in range(40)))
        reader.until(lambda: reader.reasons == ["incomplete"] * 35 and reader.n_acknowledged == 35)
        assert reader.source.session.n_outstanding == len(reader.source._kept) == 5
        publish(broker, *packets(50, TIMED))
        reader.until(lambda: reader.values == [1.0])
        assert reader.balanced
