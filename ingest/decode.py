"""Decode: from MQTT messages to checked columns.  The first filter that matches a topic names its format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import structlog
from paho.mqtt.client import topic_matches_sub

from core.reject import Reason
from ingest.columns import UNREADABLE_TOPIC, Columns, Hopeless, Message, Rows, Tolerance
from ingest.feed import Feed
from ingest.formats.contract import Format, Ticking
from ingest.formats.place import Places
from ingest.holding import Holding
from ingest.readers import Reader, read_sources, succeed
from registry.catalog import Catalog

log = structlog.get_logger("ingest")

TOLERANCE = Tolerance()
# Topics that nobody has registered must not fill the memory.
MOST_CACHED = 200_000


class Decoder:
    """Turns messages into rows and rejects; `catalog` may be replaced; the next call follows it.

    filters : feeds by precedence, or (topic filter, name of the format); raises ConfigError on what cannot be used
    """

    def __init__(
        self, filters: Iterable[tuple[str, str] | Feed], catalog: Catalog, *,
        tolerance: Tolerance = TOLERANCE, max_payload_bytes: int = 262_144, identified: bool = False,
        held_messages: int = 1_000,
    ) -> None:  # fmt: skip
        self.catalog = catalog
        self.tolerance = tolerance
        self.max_payload_bytes = max_payload_bytes
        self.statuses = self.unclaimed = self.lenient = 0
        self.gaps: Counter[int] = Counter()
        self.holding = Holding(held_messages)
        self.readers = read_sources([Feed(*entry) for entry in filters], identified=identified)
        self._filters = [(reader.feed.subscription, reader.form) for reader in self.readers]
        self._formats: dict[str, Format | None] = {}

    def take_over(self, readers: Sequence[Reader]) -> None:
        """Go on with other sources; messages on their way from one that is gone are still read as before."""
        succeed(readers, self.readers)
        kept = {reader.feed.subscription for reader in readers}
        gone = [reader for reader in self.readers if reader.feed.subscription not in kept]
        self.readers, self._formats = tuple(readers), {}
        self._filters = [(reader.feed.subscription, reader.form) for reader in (*readers, *gone)]

    def decode(self, messages: Sequence[Message], now: int) -> Rows:
        """Return what the messages say, in order of arrival; never raises because of what they hold."""
        columns, catalog = Columns(messages, self.holding), self.catalog
        for message in messages:
            columns.open()
            self._decode(message, catalog, columns)
        for _topic_filter, form in self._filters:
            if isinstance(form, Ticking):
                form.tick(columns, now)
        self.statuses += columns.statuses
        self.unclaimed += columns.unclaimed
        self.lenient += columns.lenient
        self.gaps.update(columns.gaps)
        return columns.close(catalog, now, self.tolerance)

    def _decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        if len(message.payload) > self.max_payload_bytes:
            detail = f"{len(message.payload)} bytes, at most {self.max_payload_bytes}"
            columns.reject(_gateway(message.topic, catalog), Reason.TOO_LARGE, detail)
            return
        form = self._formats.get(message.topic) or self._route(message.topic)
        if form is None:
            _reject_topic(message.topic, columns)
            return
        try:
            form.decode(message, catalog, columns)
        except Hopeless:
            return  # it has said so in its last reject
        except Exception:  # a bug of ours must not wedge the service on one message
            columns.undo()
            columns.reject(0, Reason.BAD_SHAPE, "the decoder failed: a bug of ours, see the log")
            log.exception("decoder failed", topic=message.topic)

    def places(self) -> Iterator[Places]:
        """Yield what the formats find senders with; the native one needs none."""
        for _topic_filter, form in self._filters:
            places = getattr(form, "places", None)
            if isinstance(places, Places):
                yield places

    def _route(self, topic: str) -> Format | None:
        if len(self._formats) >= MOST_CACHED:
            self._formats.clear()
        form = next((form for pattern, form in self._filters if topic_matches_sub(pattern, topic)), None)
        self._formats[topic] = form
        return form


def _reject_topic(topic: str, columns: Columns) -> None:
    if UNREADABLE_TOPIC in topic:
        columns.reject(0, Reason.NOT_UTF8, "the topic is not UTF-8, or has U+0000 in it")
    else:
        columns.reject(0, Reason.UNKNOWN_TOPIC, "no topic filter of ours matches")


def _gateway(topic: str, catalog: Catalog) -> int:
    """Return the gateway that a native topic names, 0 for any other, without looking at the payload."""
    parts = topic.split("/")
    gateway = catalog.gateways.get(parts[2]) if len(parts) == 4 else None
    return gateway.id if gateway else 0
