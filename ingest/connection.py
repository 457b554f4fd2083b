"""Connection: one life of a connection to the broker, from CONNECT to its loss.

paho does the protocol (ingest/bulk.py); thread and select are ours, through its loop_write and loop_misc.
Only that thread touches paho.  A new connection gets a new client, so nothing of an old one can leak into it.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from ingest.bulk import BulkClient
from ingest.columns import Message, Presence, Reply
from ingest.inlet import Chunk, Inlet
from ingest.settings import BrokerSettings

log = structlog.get_logger("ingest")

POLL_S = 1.0
GOODBYE_S = 2.0

Receipt = tuple["Connection", Sequence[Message]]


@dataclass(slots=True)
class Statistics:
    """Counters of a session since its start; only the network thread writes them."""

    messages: int = 0
    payload_bytes: int = 0
    connections: int = 0
    redelivered: int = 0  # the broker sent it before (DUP)
    held: int = 0  # of those: still waiting here for its commit, so not taken twice
    acknowledged: int = 0
    stale_acks: int = 0  # of an older connection, or of a packet id that the broker has given away again
    pauses: int = 0  # the queue was full, reading stopped
    refused_connections: int = 0
    refused_filters: int = 0
    replies: int = 0  # published by us: answers, commands, our presence
    refused_replies: int = 0


class Connection:
    """One client of paho and what it has brought that is not acknowledged."""

    def __init__(
        self, broker: BrokerSettings, filters: Sequence[str], inlet: Inlet,
        *, statistics: Statistics, receipts: deque[Receipt], wake: socket.socket, clock: Callable[[], int],
        outgoing: deque[Reply] | None = None, presence: Presence | None = None,
    ) -> None:  # fmt: skip
        self.outgoing = outgoing if outgoing is not None else deque()
        self.presence = presence
        self.broker, self.filters, self.inlet = broker, filters, inlet
        self.wanted = filters  # another list = subscribe to that instead; the worker sets it
        self._asked: dict[int, Sequence[str]] = {}
        self.statistics, self.receipts, self.wake, self.clock = statistics, receipts, wake, clock
        self.reached = False  # somebody listens there
        self.accepted = False  # CONNACK said yes
        self.resumed_s: float | None = (
            None  # when (monotonic) a session of ours was found there; None = a new one
        )
        self.subscribed = False  # SUBACK granted at least one filter
        self.problem = ""
        self._lost = False
        self._paused = False
        self._outstanding: dict[int, Message] = {}
        self._client = self._make_client()

    @property
    def n_outstanding(self) -> int:
        """How many messages the broker waits for an answer to."""
        return len(self._outstanding)

    def open(self) -> None:
        """Connect and send CONNECT; raises OSError when nobody answers or a certificate cannot be read."""
        broker = self.broker
        if broker.tls or broker.ca_file:
            self._client.tls_set(broker.ca_file or None, broker.cert_file or None, broker.key_file or None)
        self._client.connect(self.broker.host, self.broker.port, self.broker.keepalive_s)
        self.reached = True

    def serve(self, ending: Callable[[], bool]) -> None:
        """Read, acknowledge and keep alive until the connection is lost or `ending` says so."""
        sock = self._client.socket()
        if sock is None:
            return
        answer_by = time.monotonic() + self.broker.connect_timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.wake, selectors.EVENT_READ)
            watched = 0
            while not self._lost and not ending():
                wanted = self._interests()
                watched = _watch(selector, sock.fileno(), watched, wanted)
                pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
                selector.select(0 if pending else POLL_S)
                _drain_wake(self.wake)
                if wanted & selectors.EVENT_READ:
                    self._read()
                self._acknowledge()
                if self.wanted is not self.filters and self.subscribed and not self._lost:
                    self._follow_filters()
                if not self._lost:
                    self._client.loop_misc()
                if not self.accepted and time.monotonic() > answer_by:
                    self.problem = self.problem or "no CONNACK in time"
                    return

    def close(self) -> None:
        """Send what is acknowledged, then DISCONNECT; the broker keeps the session.

        Returns when the broker has closed its side, so that it has read the last PUBACK before the process after us
        takes the session over; waits for that no longer than GOODBYE_S.
        """
        until_s = time.monotonic() + GOODBYE_S
        while not self._lost and (self.receipts or self._client.want_write()) and time.monotonic() < until_s:
            self._acknowledge()
        sock = self._client.socket()
        if sock is None:
            return
        # paho closes its descriptor as soon as DISCONNECT is written; a second one keeps the line open.
        with socket.socket(fileno=os.dup(sock.fileno())) as line, suppress(OSError, ValueError):
            if self.presence and self.accepted:
                self._publish(Reply(self.presence.topic, self.presence.offline, retain=True))
            self._client.disconnect()
            self._client.loop_write()
            sock.close()
            line.settimeout(max(0.01, until_s - time.monotonic()))
            while time.monotonic() < until_s and line.recv(65_536):
                pass

    def _make_client(self) -> BulkClient:
        client = BulkClient(
            CallbackAPIVersion.VERSION2, client_id=self.broker.client_id, clean_session=False,
            protocol=mqtt.MQTTv311, manual_ack=True, reconnect_on_failure=False,
        )  # fmt: skip
        client.connect_timeout = self.broker.connect_timeout_s
        if self.broker.username:
            client.username_pw_set(self.broker.username, self.broker.password or None)
        if self.presence:
            client.will_set(self.presence.topic, self.presence.offline, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        # With this set paho queues what it has to send, and our loop sends it.
        client.on_socket_register_write = lambda _client, _userdata, _sock: None
        return client

    def _interests(self) -> int:
        """Return what to wait for: writing if something is to be sent, reading unless the queue is full."""
        room = self.inlet.has_room
        if not room and not self._paused:
            self.statistics.pauses += 1
        self._paused = not room
        return (selectors.EVENT_READ if room else 0) | (
            selectors.EVENT_WRITE if self._client.want_write() else 0
        )

    def _read(self) -> None:
        """Read what has arrived, and hand it over as one chunk."""
        messages = self._client.receive(self.clock())
        if not messages:
            return
        n_bytes = sum(len(message.payload) for message in messages)
        self.statistics.messages += len(messages)
        self.statistics.payload_bytes += n_bytes
        if any(message.dup for message in messages):
            messages = [message for message in messages if not self._is_held(message)]
            n_bytes = sum(len(message.payload) for message in messages)
        else:
            self._outstanding.update({message.mid: message for message in messages if message.mid})
        if messages:
            self.inlet.put(Chunk(self, messages, n_bytes))

    def _is_held(self, message: Message) -> bool:
        """Note a message, unless it is a copy of one that still waits here for its commit.

        A broker may send again what was not acknowledged for long (NATS: ack_wait).  Taken twice under one
        packet id, the second PUBACK could hit a new message that got this id in between and is not committed.
        """
        self.statistics.redelivered += message.dup
        if not message.mid:
            return False
        held = self._outstanding.get(message.mid)
        if message.dup and held and (held.topic, held.payload) == (message.topic, message.payload):
            self.statistics.held += 1
            return True
        self._outstanding[message.mid] = message
        return False

    def _acknowledge(self) -> None:
        """Send PUBACK for what was committed, if it came by this connection."""
        while self.receipts:
            connection, messages = self.receipts.popleft()
            mids = self._answered(messages) if connection is self else []
            if mids:
                self._client.acknowledge(mids)
            self.statistics.acknowledged += len(mids)
            self.statistics.stale_acks += sum(message.mid != 0 for message in messages) - len(mids)
        self._send()
        if not self._lost and self._client.want_write():
            self._client.loop_write()

    def _answered(self, messages: Sequence[Message]) -> list[int]:
        """Forget the messages and return their packet ids, but for ids that the broker has given away again."""
        outstanding = self._outstanding
        mids = [message.mid for message in messages if outstanding.get(message.mid) is message]
        for mid in mids:
            del outstanding[mid]
        return mids

    def _send(self) -> None:
        """Publish what senders wait for.  It is sent once: who gets no answer sends its data again."""
        while self.outgoing and self.subscribed and not self._lost:
            self._publish(self.outgoing.popleft())

    def _publish(self, reply: Reply) -> None:
        try:
            self._client.publish(reply.topic, reply.payload, qos=1, retain=reply.retain)
            self.statistics.replies += 1
        except ValueError:  # a topic that a message brought along may be none
            self.statistics.refused_replies += 1

    def _on_connect(
        self, _client: mqtt.Client, _userdata: Any, flags: mqtt.ConnectFlags, code: Any, _properties: Any
    ) -> None:
        if code.is_failure:
            self.statistics.refused_connections += 1
            self.problem = f"the broker refuses us: {code}"
            self._lost = True
            return
        self.accepted = True
        self.resumed_s = time.monotonic() if flags.session_present else None
        self.statistics.connections += 1
        log.info("connected to broker", client_id=self.broker.client_id, resumed=flags.session_present)
        self._subscribe(self.filters)

    def _subscribe(self, filters: Sequence[str]) -> None:
        _result, mid = self._client.subscribe([(topic_filter, 1) for topic_filter in filters])
        if mid is not None:
            self._asked[mid] = filters

    def _follow_filters(self) -> None:
        """Subscribe to what is wanted now, and to nothing else."""
        wanted, before = self.wanted, self.filters
        self.filters = wanted
        fresh = [one for one in wanted if one not in before]
        gone = [one for one in before if one not in wanted]
        if fresh:
            self._subscribe(fresh)
        if gone:
            self._client.unsubscribe(gone)
        log.info("sources changed", subscribed=fresh, unsubscribed=gone)

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: Any, mid: int, codes: Sequence[Any], _properties: Any
    ) -> None:
        asked = self._asked.pop(mid, self.filters)
        refused = [pattern for pattern, code in zip(asked, codes, strict=False) if code.is_failure]
        again = self.subscribed
        self.subscribed = again or len(refused) < len(asked)
        if refused:
            self.statistics.refused_filters += len(refused)
            self.problem = f"the broker refuses the filters {', '.join(refused)}: permissions, or its limits"
            log.error("subscription refused", filters=refused, client_id=self.broker.client_id)
            self._lost = not self.subscribed
        if self.presence and self.subscribed and not again:
            self._publish(Reply(self.presence.topic, self.presence.online, retain=True))

    def _on_disconnect(
        self, _client: mqtt.Client, _userdata: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        self._lost = True
        self.problem = self.problem or f"connection lost: {code}"


def _watch(selector: selectors.BaseSelector, sock: int, watched: int, wanted: int) -> int:
    """Make the selector watch a socket for what is wanted; nothing wanted = not watched."""
    if wanted == watched:
        return watched
    if not watched:
        selector.register(sock, wanted)
    elif wanted:
        selector.modify(sock, wanted)
    else:
        selector.unregister(sock)
    return wanted


def _drain_wake(wake: socket.socket) -> None:
    with suppress(BlockingIOError):
        while len(wake.recv(4096)) == 4096:
            pass
