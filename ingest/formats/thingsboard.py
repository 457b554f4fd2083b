"""ThingsBoard's topics, docs/wire.md §3.

    v1/gateway/telemetry      {"Device": [{"ts": ms, "values": {"signal": 1.5}}, …]}
    v1/devices/me/telemetry   {"signal": 1.5} · {"ts": ms, "values": {…}} · an array of these
    …/attributes, …/connect, …/disconnect, …/rpc, …/claim   no readings

A topic of the gateway kind names no gateway, so a device is found by its code alone, where that is unique; the
device kind names nothing at all: a level of the topic or the feed's settings must.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing, brief, parse_json, some
from ingest.formats.names import MOST_CACHED, Channels, load_names
from ingest.formats.place import Origin, Places
from ingest.formats.when import as_instant
from ingest.instant import LARGEST
from registry.catalog import Catalog

DEFAULT = Feed("v1/gateway/telemetry", "thingsboard")
_WITHOUT_READINGS = (
    "attributes",
    "connect",
    "disconnect",
    "rpc",
    "claim",
    "provision",
    "request",
    "response",
)


class Entry(Struct, gc=False):
    """The readings of one device at one instant."""

    values: dict[str, float | bool]
    ts: Annotated[int, Meta(ge=0, le=LARGEST)] = ABSENT


class PlainSeries(dict[str, int]):
    """Foreign name → series, of those whose numbers stay as they are; KeyError for others."""

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self.channels = channels

    def __missing__(self, name: str) -> int:
        series, meaning = self.channels[name]
        if not meaning.plain:
            raise KeyError(name)
        if len(self) >= MOST_CACHED:
            self.clear()
        self[name] = series
        return series


class ThingsBoardFormat:
    """See the module; keeps what a device is until the catalog changes."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names))
        self._body = Decoder(dict[str, list[Entry]]).decode
        self._catalog: Catalog | None = None
        self._series: dict[tuple[str, str], PlainSeries] = {}

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        if catalog is not self._catalog:
            self._series, self._catalog = {}, catalog
            self.places.follow(catalog)
        levels = message.topic.split("/")
        if any(level in _WITHOUT_READINGS for level in levels[-2:]):
            self._take_status(message, columns)
        else:
            if "devices" in levels or "{device}" in self.feed.filter or self.feed.device:
                self._take_device(message, columns)
            else:
                self._take_gateway(message, columns)
            columns.statuses += columns.silent

    def _take_status(self, message: Message, columns: Columns) -> None:
        with Refusing(columns, self.places.owner(self.feed.parts(message.topic)["gateway"])):
            parse_json(message.payload)
            columns.statuses += 1

    def _take_gateway(self, message: Message, columns: Columns) -> None:
        feed = self.feed
        gateway = feed.gateway if feed.filter == message.topic else feed.parts(message.topic)["gateway"]
        try:
            self._take(message, gateway, columns)
        except (KeyError, ValidationError, DecodeError, UnicodeDecodeError, RecursionError, Refusal):
            columns.undo()
            self._take_slowly(message, gateway, columns)

    def _series_of(self, gateway: str, name: str) -> PlainSeries:
        origin = self.places.find(gateway, name)
        found = self._series[gateway, name] = PlainSeries(origin.channels)
        return found

    def _take(self, message: Message, gateway: str, columns: Columns) -> None:
        """Take a message that is right in every reading; raises anything for all others."""
        for name, entries in self._body(message.payload).items():
            series = self._series.get((gateway, name)) or self._series_of(gateway, name)
            for entry in entries:
                columns.series += [series[signal] for signal in entry.values]
                columns.t += [entry.ts] * len(entry.values)
                columns.value += entry.values.values()

    def _take_slowly(self, message: Message, gateway: str, columns: Columns) -> None:
        """Take what can be taken, and reject the rest; a device that is not known is one piece."""
        with Refusing(columns, self.places.owner(gateway)):
            body = parse_json(message.payload)
            if not isinstance(body, dict):
                raise Refusal(Reason.BAD_SHAPE, f'{brief(body)}: expected {{"device": [...]}}')
            for name, entries in body.items():
                owner = self.places.owner(gateway)
                with Refusing(columns, owner):
                    columns.spend(8, owner)
                    origin = self.places.find(gateway, name)
                    if not isinstance(entries, list):
                        detail = f"{brief(name)}: {brief(entries)}, expected an array"
                        raise Refusal(Reason.BAD_SHAPE, detail, origin.gateway)
                    _take_entries(entries, origin, columns)

    def _take_device(self, message: Message, columns: Columns) -> None:
        parts = self.feed.parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])):
            body = parse_json(message.payload)
            origin = self.places.find(parts["gateway"], parts["device"])
            if not isinstance(body, dict | list):
                raise Refusal(
                    Reason.BAD_SHAPE, f"{brief(body)}: expected an object or an array", origin.gateway
                )
            _take_entries(body if isinstance(body, list) else [body], origin, columns)


def _take_entries(entries: Iterable[Any], origin: Origin, columns: Columns) -> None:
    """Take the entries of one device; one without `values` holds its values directly."""
    refusing = Refusing(columns, origin.gateway)
    for entry in entries:
        with refusing:
            columns.spend(1, origin.gateway)
            if not isinstance(entry, dict):
                raise Refusal(Reason.BAD_SHAPE, f'{brief(entry)}: expected {{"ts": ms, "values": {{...}}}}')
            values, ts = entry.get("values", entry), entry.get("ts") if "values" in entry else None
            if not isinstance(values, dict):
                raise Refusal(Reason.BAD_SHAPE, f"values = {brief(values)}: expected an object")
            t = ABSENT if ts is None else as_instant(ts, origin.zone, ("epoch",))
            for signal, raw in values.items():
                with refusing:
                    _take_value(signal, raw, t, origin, columns)


def _take_value(signal: str, raw: Any, t: int, origin: Origin, columns: Columns) -> None:
    columns.spend(2, origin.gateway)
    try:
        series, meaning = origin.channels[signal]
    except KeyError:
        detail = f"{brief(signal)}: the device has {some(origin.device.series)}"
        raise Refusal(Reason.UNKNOWN_SERIES, detail) from None
    value = meaning.value(raw)
    if value is not None:
        columns.add(series, t, value)
