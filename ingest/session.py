"""Session: a persistent MQTT session that outlives its connections, run by a thread of its own.

    broker ─▶ Connection (one at a time) ─▶ Inlet ─▶ worker ─▶ receipts ─▶ Connection ─▶ PUBACK

Nothing is acknowledged before the worker says so.  What was not is kept by the broker and sent again, at once
(Mosquitto) or after its ack_wait (NATS), to us or to the process after us.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from paho.mqtt.client import topic_matches_sub

from core.time import clock_ns
from ingest.columns import Message, Presence, Reply
from ingest.connection import Connection, Receipt, Statistics
from ingest.feed import Feed
from ingest.inlet import Chunk, Inlet
from ingest.settings import BrokerSettings, IngestSettings

log = structlog.get_logger("ingest")

# Answers that wait for the broker to come back; older ones go, and their senders ask again.
MOST_OUTGOING = 10_000
# So many accepted connections in a row that the broker closed soon: somebody else uses our client id.
TAKEOVER_AFTER = 3


class Session:
    """The thread and what it shares with the worker; `start` once, `close` once."""

    def __init__(
        self, broker: BrokerSettings, settings: IngestSettings, clock: Callable[[], int] = clock_ns,
        *, presence: Callable[[int], Presence] | None = None,
    ) -> None:  # fmt: skip
        self.broker = broker
        self.filters = [Feed(*entry).subscription for entry in settings.filters]
        self.inlet = Inlet(settings.queue_messages, settings.queue_bytes, sender_of(settings.filters))
        self.statistics = Statistics()
        self._last_problem = "not connected yet"
        self._n_taken_over = 0
        self._clock = clock
        self._receipts: deque[Receipt] = deque()
        self._outgoing: deque[Reply] = deque(maxlen=MOST_OUTGOING)
        self._presence = presence
        self._ending = threading.Event()
        self._connection: Connection | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker sends us what we asked for."""
        connection = self._connection
        return connection is not None and connection.subscribed

    @property
    def problem(self) -> str:
        """What is wrong with the connection, or with its filters; "" = nothing."""
        connection = self._connection
        if connection is not None and connection.subscribed:
            return connection.problem
        if self._n_taken_over >= TAKEOVER_AFTER:
            return f"the broker closed {self._n_taken_over} connections in a row soon after accepting them"
        return connection.problem if connection else self._last_problem

    def settles_s(self, now_s: float) -> float:
        """Return for how long (monotonic clock) what the broker sends may still lack older messages; 0 = no more.

        What the connection before did not acknowledge comes again only settle_s after a session was resumed
        (NATS: its ack_wait), behind newer messages.
        """
        connection = self._connection
        if connection is None or connection.resumed_s is None:
            return 0.0
        return max(0.0, connection.resumed_s + self.broker.settle_s - now_s)

    @property
    def n_outstanding(self) -> int:
        """How many messages of this connection are not acknowledged."""
        connection = self._connection
        return connection.n_outstanding if connection else 0

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def take(
        self, timeout_s: float = 0, most_messages: int = 1 << 30, most_bytes: int = 1 << 60
    ) -> Chunk | None:
        """Return what arrived, None if nothing did in time; wakes the network thread if it waits for room."""
        had_room = self.inlet.has_room
        chunk = self.inlet.take(timeout_s, most_messages, most_bytes)
        if chunk is not None and not had_room:
            self._wake()
        return chunk

    def subscribe_to(self, feeds: Sequence[Feed]) -> None:
        """Have these sources sent to us, and no others; from the worker's thread."""
        self.inlet.follow(sender_of(feeds))
        self.filters = [feed.subscription for feed in feeds]
        connection = self._connection
        if connection is not None:
            connection.wanted = self.filters
            self._wake()

    def acknowledge(self, connection: Connection, messages: Sequence[Message]) -> None:
        """Have these messages acknowledged to the broker; call it when they are durable, from any thread."""
        self._receipts.append((connection, messages))
        self._wake()

    def publish(self, replies: Sequence[Reply]) -> None:
        """Have answers published; from any thread."""
        if replies:
            self._outgoing.extend(replies)
            self._wake()

    def close(self) -> None:
        """Acknowledge what may be, disconnect, end the thread; the broker keeps the session."""
        self._ending.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._wake_reader.close()
        self._wake_writer.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError, OSError):  # a full pipe wakes as well
            self._wake_writer.send(b"\0")

    def _run(self) -> None:
        attempt = 0
        while not self._ending.is_set():
            if not self.inlet.has_room:  # what would come is here already
                self._ending.wait(0.1)
                continue
            began_s = time.monotonic()
            life = self._live_once()
            if life.accepted and time.monotonic() - began_s > 2 * self.broker.reconnect_max_s:
                attempt = self._n_taken_over = 0
            if life.accepted:
                self._n_taken_over += 1
            elif not life.reached:  # the broker itself was away
                self._n_taken_over = 0
            if self._ending.is_set():
                return
            if self._n_taken_over >= TAKEOVER_AFTER:
                self._tell_takeover()
            pause_s = full_jitter(attempt, self.broker.reconnect_min_s, self.broker.reconnect_max_s)
            log.warning("broker away", problem=self.problem, next_attempt_s=round(pause_s, 2))
            attempt += 1
            self._ending.wait(pause_s)

    def _live_once(self) -> Connection:
        """Connect and serve until that connection is lost; return what is left of it."""
        connection = Connection(
            self.broker, self.filters, self.inlet, statistics=self.statistics,
            receipts=self._receipts, wake=self._wake_reader, clock=self._clock, outgoing=self._outgoing,
            presence=self._presence(self._clock()) if self._presence else None,
        )  # fmt: skip
        try:
            connection.open()
            self._connection = connection
            connection.wanted = self.filters  # they may have changed while it was opened
            connection.serve(self._ending.is_set)
        except OSError as error:
            connection.problem = f"{self.broker.host}:{self.broker.port}: {error}"
        except Exception:  # whatever paho makes of what a broker sends: the thread must go on
            connection.problem = "the connection failed: a bug of ours, see the log"
            log.exception("connection failed")
        finally:
            self._last_problem, self._connection = connection.problem, None
            connection.close()
        return connection

    def _tell_takeover(self) -> None:
        log.error(
            "connections are taken over", closed=self._n_taken_over, client_id=self.broker.client_id,
            remedy="Stop the second pipeline, or give it another client_id; see also the broker's log.",
        )  # fmt: skip


def sender_of(filters: Sequence[tuple[str, str] | Feed]) -> Callable[[str], str]:
    """Return what says whose message it is, by its topic."""
    feeds = [Feed(*entry) for entry in filters]

    def sender(topic: str) -> str:
        feed = next((feed for feed in feeds if topic_matches_sub(feed.subscription, topic)), None)
        return feed.sender(topic) if feed else topic

    return sender


def full_jitter(attempt: int, min_s: float, max_s: float) -> float:
    """Return a random pause below a bound that doubles: clients of a restarted broker spread out."""
    return random.uniform(0, min(max_s, min_s * 2 ** min(attempt, 32)))
