"""When a batch closes, and what a source makes of it without a broker."""

import pytest

from ingest.batcher import Closed, Closing
from ingest.columns import Message
from ingest.feed import Feed
from ingest.inlet import Chunk, Inlet
from ingest.session import full_jitter, sender_of
from ingest.settings import IngestSettings

SETTINGS = IngestSettings(batch_messages=10, batch_bytes=1000, flush_s=0.02, tick_s=1.0)


def closing():
    policy = Closing(SETTINGS)
    policy.open(100.0)
    return policy


def test_a_batch_closes_by_count():
    policy = closing()
    policy.add(9, 0, 100.0)
    assert (policy.full(), policy.room) == (None, 1)
    policy.add(1, 0, 100.0)
    assert (policy.full(), policy.room) == (Closed.COUNT, 0)


def test_a_batch_closes_by_bytes():
    policy = closing()
    policy.add(1, 999, 100.0)
    assert policy.full() is None
    policy.add(1, 1, 100.0)
    assert policy.full() is Closed.BYTES


def test_a_batch_closes_a_flush_after_its_first_message():
    policy = closing()
    policy.add(1, 1, 100.5)
    policy.add(1, 1, 100.51)
    assert policy.due(100.519) is None
    assert policy.wait_s(100.51) == pytest.approx(0.01)
    assert policy.due(100.521) is Closed.TIME
    assert policy.wait_s(101.0) == 0


def test_an_empty_batch_closes_by_tick():
    policy = closing()
    assert policy.due(100.9) is None
    assert policy.due(101.0) is Closed.TICK


def test_opening_forgets_the_batch_before():
    policy = closing()
    policy.add(10, 5000, 100.0)
    policy.open(200.0)
    assert (policy.full(), policy.room, policy.due(200.5)) == (None, 10, None)


def chunk(n, size=10):
    return Chunk(None, [Message("t", b"x" * size, 0, mid=number) for number in range(n)], n * size)


def test_the_inlet_is_full_by_messages_or_bytes_and_never_drops():
    inlet = Inlet(10, 1000)
    inlet.put(chunk(9))
    assert inlet.has_room
    inlet.put(chunk(9))
    assert not inlet.has_room
    assert len(inlet) == 18
    assert len(inlet.take(most_messages=9).messages) == 9
    assert inlet.has_room
    inlet.put(chunk(1, size=2000))
    assert not inlet.has_room
    assert len(inlet.take(most_bytes=90).messages) == 9
    assert len(inlet.take().messages) == 1
    assert (len(inlet), inlet.payload_bytes, inlet.take()) == (0, 0, None)


def of(*topics, connection=None):
    messages = [Message(topic, b"x", 0, mid=number) for number, topic in enumerate(topics)]
    return Chunk(connection, messages, len(messages))


def test_senders_take_turns_and_keep_their_own_order():
    inlet = Inlet(100, 1000, sender=lambda topic: topic[0])
    inlet.put(of("a1", "a2", "a3", "a4", "b1", "c1"))
    inlet.put(of("b2"))
    assert [message.topic for message in inlet.take(most_messages=4).messages] == ["a1", "b1", "c1", "a2"]
    inlet.put(of("d1"))
    assert [message.topic for message in inlet.take().messages] == ["b2", "d1", "a3", "a4"]


def test_what_fits_is_taken_as_it_came():
    inlet = Inlet(100, 1000, sender=lambda topic: topic[0])
    inlet.put(of("a1", "a2", "b1"))
    inlet.put(of("a3", "c1"))
    assert [message.topic for message in inlet.take(most_messages=5).messages] == [
        "a1",
        "a2",
        "b1",
        "a3",
        "c1",
    ]


def test_a_live_sender_does_not_wait_behind_a_backlog_that_was_dealt_out_before():
    inlet = Inlet(10_000, 1 << 20, sender=lambda topic: topic[0])
    inlet.put(of(*(f"a{n}" for n in range(1000))))
    inlet.take(most_messages=10)
    for n in range(5):
        inlet.put(of(f"b{n}"))
        assert f"b{n}" in [message.topic for message in inlet.take(most_messages=2).messages]


def test_taking_in_any_pieces_gives_every_message_once_and_each_sender_in_order():
    inlet = Inlet(100_000, 1 << 30, sender=lambda topic: topic[0])
    put, taken = [], []
    for step in range(200):
        topics = [f"{'abcde'[(step * k) % 5]}{step}.{k}" for k in range(step % 13)]
        if topics:
            inlet.put(of(*topics))
            put += topics
        one = inlet.take(most_messages=1 + step % 7, most_bytes=1 + step % 5)
        taken += [message.topic for message in one.messages] if one else []
    taken += [message.topic for message in inlet.take().messages]
    assert (len(inlet), inlet.payload_bytes) == (0, 0)
    for sender in "abcde":
        assert [t for t in taken if t[0] == sender] == [t for t in put if t[0] == sender]


def test_messages_of_two_connections_are_never_in_one_chunk():
    inlet = Inlet(100, 1000, sender=lambda topic: topic[0])
    inlet.put(of("a1", "b1", connection="old"))
    inlet.put(of("a2", "c1", connection="new"))
    taken = []
    while (one := inlet.take()) is not None:
        taken.append((one.connection, [message.topic for message in one.messages]))
    assert [topics for _, topics in taken] == [["a1", "b1"], ["a2", "c1"]]
    assert [connection for connection, _ in taken] == ["old", "new"]


@pytest.mark.parametrize(
    ("feed", "topic", "sender"),
    [
        (Feed("fs/v1/+/+", "native"), "fs/v1/gw/dev", "gw"),
        (Feed("spBv1.0/#", "sparkplug"), "spBv1.0/g/DDATA/e/d", "g/e"),
        (Feed("spBv1.0/#", "sparkplug"), "spBv1.0/g/NBIRTH/e", "g/e"),
        (Feed("hj212/{gateway}/up", "hj212"), "hj212/gw/up", "gw"),
        (Feed("tele/{device}/+", "tasmota"), "tele/d/SENSOR", "tele/d/SENSOR"),
    ],
)
def test_whose_message_it_is(feed, topic, sender):
    assert sender_of([feed])(topic) == sender


def test_a_batch_is_cut_to_about_as_many_readings_as_wanted():
    policy = closing()
    policy.settings = IngestSettings(batch_readings=25_000)
    assert policy.room_bytes == IngestSettings().batch_bytes
    for _ in range(40):
        policy.learn(1000, 8_000)
    assert policy.room_bytes == pytest.approx(200_000, rel=0.01)
    policy.add(3, 250_000, 100.0)
    assert policy.full() is Closed.BYTES


def test_pauses_grow_are_capped_and_spread():
    assert all(0 <= full_jitter(0, 0.5, 30) <= 0.5 for _ in range(100))
    assert all(0 <= full_jitter(1000, 0.5, 30) <= 30 for _ in range(100))
    late = [full_jitter(10, 0.5, 30) for _ in range(200)]
    assert max(late) > 20
    assert min(late) < 10
