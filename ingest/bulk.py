"""Bulk: paho's client, except that messages are read and acknowledged many at a time.

paho takes a packet apart with three recv() and sends one packet per acknowledgement: 16 µs per message, two thirds of
what a message costs us.  Here one recv() fills a buffer; complete PUBLISH packets of QoS 0 and 1 are taken out of it
by us, everything else (CONNACK, SUBACK, PINGRESP, and whatever is malformed) is read out of it by paho as ever, one
whole packet at a time and in its order.

Needs two private names of paho: PRIVATE.  A version that has lost one of them is refused, see `check`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt

from core.errors import FengsuiError
from ingest.columns import UNREADABLE_TOPIC, Message

PRIVATE = ("_sock_recv", "_packet_queue")
RECEIVE_BYTES = 65_536
# So much is read before acknowledgements get their turn.
DRAIN_BYTES = 262_144
# Topics that nobody has registered must not fill the memory.
MOST_CACHED = 200_000
PUBLISH, PUBACK = 0x30, 0x40
_PUBACK = PUBACK << 8 | 2  # its first byte, and how many follow the second


def check(client: type[mqtt.Client] = mqtt.Client) -> None:
    """Raise FengsuiError when this paho is not one that we can drive."""
    missing = [name for name in PRIVATE if not callable(getattr(client, name, None))]
    if missing:
        raise FengsuiError(
            f"this version of paho-mqtt has no {', '.join(missing)}: install the one that requirements-dev.lock names"
        )


class BulkClient(mqtt.Client):
    """One connection's client; `receive` takes the place of loop_read, `acknowledge` that of ack."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        check()
        super().__init__(*arguments, **options)
        self._buffer = b""
        self._at = 0  # up to here the buffer is read
        self._until = 0  # up to here paho may read it: the end of one packet
        self._failure: OSError | None = None
        self._over = False  # the broker has closed its side
        self._topics: dict[bytes, str] = {}

    def receive(self, arrived: int) -> list[Message]:
        """Return what came by now, in order; what is not a message is done with on the way, by callbacks.

        arrived : ns, for all of them
        """
        self._fill()
        messages: list[Message] = []
        while (stop := self._take(messages, arrived)) > self._at:
            self._until = stop
            self.loop_read()
            if self._at < stop:  # paho has closed the connection
                self._buffer, self._at = b"", 0
                break
        self._until = self._at
        if self._over or self._failure:
            self.loop_read()
        return messages

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Queue one PUBACK for each of these packet ids, all as one piece."""
        packets = np.empty(len(mids), [("head", ">u2"), ("mid", ">u2")])
        packets["head"], packets["mid"] = _PUBACK, mids
        self._packet_queue(PUBACK, packets.tobytes(), mids[-1], 1)

    def _fill(self) -> None:
        """Read what the socket has, after what is left of a packet."""
        pieces, n_bytes = [self._buffer[self._at :]], 0
        while n_bytes < DRAIN_BYTES:
            try:
                piece = super()._sock_recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as failure:
                self._failure = failure
                break
            pieces.append(piece)
            n_bytes += len(piece)
            if len(piece) < RECEIVE_BYTES:
                self._over = not piece
                break
        self._buffer, self._at = b"".join(pieces), 0
        if n_bytes:
            self._last_bytes_received = time.monotonic()  # else paho would ask a busy broker whether it lives

    def _sock_recv(self, bufsize: int) -> bytes:
        """Give paho what it wants to read, of one packet; it gets the rest of its news when all is read."""
        if self._at < self._until:
            piece = self._buffer[self._at : min(self._at + bufsize, self._until)]
            self._at += len(piece)
            return piece
        if self._failure:
            raise self._failure
        if self._over:
            return b""
        raise BlockingIOError

    def _take(self, messages: list[Message], arrived: int) -> int:
        """Take messages off the buffer; return the end of a packet that is paho's, where we stand if there is none."""
        buffer, at, end, topics = self._buffer, self._at, len(self._buffer), self._topics
        while end - at > 1:
            head, length, body = buffer[at], buffer[at + 1], at + 2
            if length > 127:
                length, body = _length(buffer, at + 1)
            stop = body + length if length >= 0 else end
            if stop > end:
                break
            # A message of QoS 0 or 1 whose topic and packet id lie inside of it.
            start = body + 2
            topic_end = start + (buffer[body] << 8 | buffer[body + 1]) if length > 1 else stop + 1
            payload = topic_end + (head & 2)
            if head & 0xF4 != PUBLISH or payload > stop or length < 0:
                self._at = at
                return stop
            topic = topics.get(buffer[start:topic_end]) or self._text(buffer[start:topic_end])
            mid = buffer[topic_end] << 8 | buffer[topic_end + 1] if head & 2 else 0
            messages.append(Message(topic, buffer[payload:stop], arrived, head & 1 == 1, mid, head & 8 == 8))
            at = stop
        self._at = at
        return at

    def _text(self, topic: bytes) -> str:
        if len(self._topics) >= MOST_CACHED:
            self._topics.clear()
        try:
            text = topic.decode().replace("\0", UNREADABLE_TOPIC)
        except UnicodeDecodeError:
            text = UNREADABLE_TOPIC
        self._topics[topic] = text
        return text


def _length(buffer: bytes, at: int) -> tuple[int, int]:
    """Return a remaining length, and where it ends; -1 for one of more than four bytes, which is malformed.

    One that is not all here yet is longer than what is.
    """
    length = 0
    for place in range(5):  # paho, too, wants to see the fifth byte before it complains
        if at + place == len(buffer):
            return len(buffer), at
        byte = buffer[at + place]
        length |= (byte & 127) << 7 * place
        if byte < 128 and place < 4:
            return length, at + place + 1
    return -1, at
