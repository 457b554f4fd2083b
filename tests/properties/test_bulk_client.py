"""Messages read in bulk are those that paho reads one by one, however the network cuts the stream."""

import itertools
import struct

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from core.errors import FengsuiError
from ingest import bulk
from ingest.bulk import BulkClient
from ingest.columns import UNREADABLE_TOPIC


class Wire:
    """A socket whose far end has sent these pieces; what we send is kept."""

    def __init__(self, pieces, *, ends=False):
        self.pieces, self.ends, self.sent, self.closed = list(pieces), ends, b"", False

    def recv(self, n):
        if not self.pieces:
            if self.ends:
                return b""
            raise BlockingIOError
        piece, rest = self.pieces[0][:n], self.pieces[0][n:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def send(self, data):
        self.sent += bytes(data)
        return len(data)

    def fileno(self):
        return -1

    def close(self):
        self.closed = True


def connected(kind, wire):
    client = kind(CallbackAPIVersion.VERSION2, client_id="c", clean_session=False, manual_ack=True)
    client._sock = wire
    client.on_socket_register_write = lambda *_: None
    return client


def in_bulk(wire):
    """Return what a bulk client makes of a stream: messages, SUBACKs between them, and whether it was cut."""
    client, seen = connected(BulkClient, wire), []
    client.on_subscribe = lambda _c, _u, mid, *_: seen.append(("suback", mid))
    while wire.pieces or wire.ends:
        n_before = len(seen)
        messages = client.receive(7)
        assert all(m.arrived == 7 for m in messages)
        seen[n_before:n_before] = [(m.topic, m.payload, m.mid, m.retained, m.dup) for m in messages]
        if wire.closed:
            break
    return seen, wire.closed


def one_by_one(wire):
    """Return what paho makes of it."""
    client, seen = connected(mqtt.Client, wire), []

    def take(_client, _userdata, m):
        try:
            topic = m.topic.replace("\0", UNREADABLE_TOPIC)
        except UnicodeDecodeError:
            topic = UNREADABLE_TOPIC
        seen.append((topic, bytes(m.payload), m.mid if m.qos else 0, m.retain, m.dup))

    client.on_message = take
    client.on_subscribe = lambda _c, _u, mid, *_: seen.append(("suback", mid))
    while (wire.pieces or wire.ends) and not wire.closed:
        client.loop_read()
    return seen, wire.closed


def length_of(n):
    out = b""
    while True:
        n, digit = divmod(n, 128)
        out += bytes([digit | (128 if n else 0)])
        if not n:
            return out


def publish(topic, payload, mid, flags):
    qos = 2 if mid else 0
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", mid) if mid else b"") + payload
    return bytes([0x30 | qos | flags]) + length_of(len(body)) + body


SUBACK = st.integers(1, 65_535).map(lambda mid: b"\x90\x03" + struct.pack(">H", mid) + b"\x01")
PUBLISH = st.builds(
    publish,
    st.sampled_from([b"fs/v1/g/d", b"t", "厂/一".encode(), b"\xff\xfe", b"a\0b", b"x" * 200]),
    st.one_of(st.binary(max_size=40), st.integers(100, 40_000).map(lambda n: b"y" * n)),
    st.integers(0, 65_535),
    st.sampled_from([0, 1, 8, 9]),
)
WRONG = st.sampled_from([
    b"\x30\xff\xff\xff\xff\x01", b"\x32\x04\x00\x09ab", b"\x30\x01\x00", b"\xf0\x00", b"\x32\x04\x00\x01a\x00", b"\x00\x00",
])  # fmt: skip


def cut(stream, places):
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(PUBLISH, max_size=12), st.lists(st.integers(0, 1 << 20), max_size=12))
@settings(max_examples=80, deadline=None)
def test_the_same_messages_as_paho_however_the_stream_is_cut(packets, places):
    stream = b"".join(packets)
    assert in_bulk(Wire(cut(stream, places))) == one_by_one(Wire(cut(stream, [])))


@given(st.lists(st.one_of(PUBLISH, SUBACK), max_size=12), st.lists(st.integers(0, 1 << 20), max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_no_message_is_paho_s_and_is_not_lost(packets, places):
    stream = b"".join(packets)
    ours, paho = in_bulk(Wire(cut(stream, places))), one_by_one(Wire(cut(stream, [])))
    for is_suback in (True, False):
        assert [s for s in ours[0] if (len(s) == 2) is is_suback] == [
            s for s in paho[0] if (len(s) == 2) is is_suback
        ]


@given(st.lists(PUBLISH, max_size=4), WRONG, st.lists(st.integers(0, 1 << 20), max_size=6))
@settings(max_examples=80, deadline=None)
def test_a_malformed_packet_ends_the_connection_behind_the_messages_before_it(packets, wrong, places):
    stream = b"".join(packets) + wrong
    seen, closed = in_bulk(Wire(cut(stream, places)))
    assert closed
    assert seen == one_by_one(Wire(packets))[0]


@given(st.lists(PUBLISH, max_size=4), st.integers(0, 60))
@settings(deadline=None)
def test_the_end_of_the_stream_is_noticed_behind_the_last_whole_message(packets, n_cut):
    stream = b"".join(packets)
    stream = stream[: max(0, len(stream) - n_cut)]
    assert in_bulk(Wire([stream] if stream else [], ends=True)) == one_by_one(
        Wire([stream] if stream else [], ends=True)
    )


@given(st.lists(st.integers(1, 65_535), min_size=1, max_size=300))
def test_acknowledgements_of_a_batch_are_the_packets_that_paho_would_send(mids):
    ours, paho = Wire([]), Wire([])
    client, twin = connected(BulkClient, ours), connected(mqtt.Client, paho)
    client.acknowledge(mids)
    for mid in mids:
        twin.ack(mid, 1)
    client.loop_write()
    twin.loop_write()
    assert ours.sent == paho.sent
    assert not client.want_write()


def test_a_paho_without_what_we_build_on_is_refused():
    bulk.check()
    with pytest.raises(FengsuiError, match="_sock_recv"):
        bulk.check(object)


def test_paho_reads_and_sends_through_what_we_build_on():
    """Fails when a new paho keeps the names and no longer uses them."""
    wire = Wire([b"\x90\x03\x00\x07\x01"])
    client, seen = connected(BulkClient, wire), []
    client.on_subscribe = lambda _c, _u, mid, *_: seen.append(mid)
    assert client.receive(0) == []
    assert seen == [7]
    client.acknowledge([9])
    assert client.want_write()
    client.loop_write()
    assert wire.sent == b"\x40\x02\x00\x09"
