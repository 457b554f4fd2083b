"""Source: MQTT in, deliveries out; what the pipeline reads from.

session.take ─▶ Closing (count, bytes, time) ─▶ Decoder ─▶ Order ─▶ Delivery ─▶ … commit … ─▶ ack
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from core.batch import Batch
from core.reject import Reject
from core.time import DAY, clock_ns, seconds
from ingest.batcher import Closed, Closing, Delivery
from ingest.budget import Budgets
from ingest.columns import Message, Presence, Reply, Rows, Tolerance
from ingest.connection import Receipt
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.formats.sparkplug import presence
from ingest.inlet import Chunk
from ingest.order import Order
from ingest.readers import Reader
from ingest.session import Session
from ingest.settings import BrokerSettings, IngestSettings
from ingest.skew import Skew
from registry.catalog import Catalog


class Source:
    """One consumer thread reads `deliveries()`; `catalog` may be replaced by it between two of them.

    refused : returns what the broker kept away from us since the last call
    news : returns other sources when they have changed since the last call (ingest/readers.py)
    """

    def __init__(
        self, settings: IngestSettings, broker: BrokerSettings, catalog: Catalog,
        *, clock: Callable[[], int] = clock_ns,
        refused: Callable[[Catalog], Sequence[Reject]] = lambda _catalog: (),
        news: Callable[[], Sequence[Reader] | None] = lambda: None,
    ) -> None:  # fmt: skip
        tolerance = Tolerance(seconds(settings.future_tolerance_s), int(settings.too_old_days * DAY))
        self.settings = settings
        self.decoder = Decoder(
            settings.filters, catalog, tolerance=tolerance, max_payload_bytes=settings.max_payload_bytes,
            identified=settings.identified, held_messages=settings.held_messages,
        )  # fmt: skip
        feeds = [Feed(*entry) for entry in settings.filters]
        self.budgets = Budgets(feeds, per_s=settings.gateway_messages_per_s, burst_s=settings.gateway_burst_s)
        self._refused, self._news = refused, news
        self.order = Order(seconds(settings.historical_after_s))
        self.skew = Skew()
        self.session = Session(broker, settings, clock, presence=_presence(settings))
        self.closing = Closing(settings)
        self._clock = clock
        self._ending = threading.Event()
        self._held: list[Chunk] = []
        self._unacknowledged: dict[int, Delivery] = {}
        self._kept: dict[int, Receipt] = {}
        self._n_deliveries = 0

    @property
    def catalog(self) -> Catalog:
        """The registry that readings are checked against."""
        return self.decoder.catalog

    @catalog.setter
    def catalog(self, catalog: Catalog) -> None:
        self.decoder.catalog = catalog

    def deliveries(self) -> Iterator[Delivery]:
        """Yield a delivery at least every tick_s until `stop`; then send the last acknowledgements."""
        self.session.start()
        try:
            while not self._ending.is_set():
                if (readers := self._news()) is not None:
                    self.take_over(readers)
                if self.session.settles_s(time.monotonic()):
                    yield self._settle()
                    continue
                chunks = self._gather()
                if self.session.settles_s(time.monotonic()):
                    # The session was resumed while we waited: what came first is held with the rest.
                    self._held = chunks
                else:
                    yield self._deliver(chunks)
        finally:
            self.session.close()

    def take_over(self, readers: Sequence[Reader]) -> None:
        """Go on with other sources; call it between two deliveries."""
        feeds = [reader.feed for reader in readers]
        self.decoder.take_over(readers)
        self.budgets.follow_feeds(feeds)
        self.session.subscribe_to(feeds)

    def stop(self) -> None:
        """End `deliveries` after the one in hand; from any thread or a signal handler."""
        self._ending.set()

    def in_flight(self) -> dict[int, int]:
        """Return readings per gateway that were delivered and not acknowledged yet."""
        total: Counter[int] = Counter()
        for delivery in list(self._unacknowledged.values()):
            total.update(delivery.received)
        return dict(total)

    @property
    def n_waiting(self) -> int:
        """How many messages wait for the worker; they are not received yet in the sense of the ledger."""
        return len(self.session.inlet)

    def _settle(self) -> Delivery:
        """Hold what arrives for a tick and deliver nothing: older messages may still come, and order decides.

        Without this, readings that a killed pipeline had taken and not committed would come back late, and what is
        late raises nobody.  No more is held than may wait for the worker.
        """
        until_s = time.monotonic() + min(self.settings.tick_s, self.session.settles_s(time.monotonic()))
        while (left_s := until_s - time.monotonic()) > 0 and not self._ending.is_set():
            full = sum(len(chunk.messages) for chunk in self._held) >= self.settings.queue_messages
            chunk = None if full else self.session.take(min(left_s, 0.2))
            if chunk is not None:
                self._held.append(chunk)
            elif full:
                time.sleep(min(left_s, 0.2))
        now = self._clock()
        return Delivery(
            Batch.empty(), (), {}, {}, 0, now, connected=False, first_arrived=now, ack=lambda: None
        )

    def _gather(self) -> list[Chunk]:
        """Take what arrives until the batch closes; what was held while settling goes out as one batch."""
        chunks, self._held = self._held, []
        if chunks:
            return chunks
        self.closing.open(time.monotonic())
        while (closed := self.closing.full()) is None:
            chunk = self._take(0)
            if chunk is None:
                now_s = time.monotonic()
                closed = Closed.STOP if self._ending.is_set() else self.closing.due(now_s)
                if closed is not None:
                    break
                chunk = self._wait(self.closing.wait_s(now_s))
            if chunk is not None:
                self.closing.add(len(chunk.messages), chunk.payload_bytes, time.monotonic())
                chunks.append(chunk)
        self.closing.closed[closed] += 1
        return chunks

    def _wait(self, wait_s: float) -> Chunk | None:
        """Wait for the first chunk; with one in hand sleep, so as not to wake up for every few messages."""
        if self.closing.n_messages:
            time.sleep(min(wait_s, self.settings.flush_s / 4))
            return None
        return self._take(min(wait_s, 0.2))

    def _take(self, timeout_s: float) -> Chunk | None:
        return self.session.take(timeout_s, self.closing.room, self.closing.room_bytes)

    def _deliver(self, chunks: list[Chunk]) -> Delivery:
        messages: list[Message] = [message for chunk in chunks for message in chunk.messages]
        now = self._clock()
        admitted, turned_away = self.budgets.admit(messages, self.catalog, now)
        rows = self.decoder.decode(admitted, now)
        kept_out = [*turned_away, *self._refused(self.catalog)]
        self.closing.learn(len(rows), sum(chunk.payload_bytes for chunk in chunks))
        self.skew.step(rows.heard, now)
        ordered = self.order.step(rows, self.catalog.gateway, now)
        receipts = self._receipts(chunks, rows)
        self._n_deliveries += 1
        number = self._n_deliveries
        delivery = Delivery(
            batch=ordered.batch, rejects=(*rows.rejects, *kept_out), received=_with(rows.received, kept_out),
            duplicates=ordered.duplicates, messages=len(messages), now=now,
            connected=self.session.connected or bool(messages),
            first_arrived=messages[0].arrived if messages else now,
            ack=lambda: self._acknowledge(number, receipts, rows.replies),
        )  # fmt: skip
        self._unacknowledged[number] = delivery
        return delivery

    def _receipts(self, chunks: list[Chunk], rows: Rows) -> list[Receipt]:
        """Return what may be acknowledged with this delivery: not what waits for its other packets, and those last."""
        if not rows.held and not rows.released:
            return [(chunk.connection, chunk.messages) for chunk in chunks]
        held = {id(message) for message in rows.held}
        receipts: list[Receipt] = []
        for chunk in chunks:
            for message in chunk.messages:
                if id(message) in held:
                    self._kept[id(message)] = chunk.connection, [message]
            receipts.append((chunk.connection, [one for one in chunk.messages if id(one) not in held]))
        return receipts + [self._kept.pop(id(message)) for message in rows.released]

    def _acknowledge(self, number: int, receipts: Sequence[Receipt], replies: Sequence[Reply]) -> None:
        if self._unacknowledged.pop(number, None) is None:
            return
        for connection, messages in receipts:
            self.session.acknowledge(connection, messages)
        self.session.publish(replies)


def _with(received: dict[int, int], kept_out: Sequence[Reject]) -> dict[int, int]:
    """Return the readings received per gateway, with what never came to be decoded."""
    total = Counter(received)
    for reject in kept_out:
        total[reject.gateway] += reject.n
    return dict(total)


def _presence(settings: IngestSettings) -> Callable[[int], Presence] | None:
    """Return how we say to Sparkplug nodes that we are there; None when no feed names us."""
    host = next((feed.host for entry in settings.filters if (feed := Feed(*entry)).host), "")
    return partial(presence, host) if host else None
