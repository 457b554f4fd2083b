"""EMQX Neuron's uploads, docs/wire.md §7: `{"node", "group", "timestamp", …}` with one of

values  {"tag": 123}                              errors {"tag": 2014}, or an array as of tags
tags    [{"name": "tag", "value": 123, "type": 2} or {"name": "tag", "error": 2014}]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing, brief, parse_json
from ingest.formats.names import Readings, load_names
from ingest.formats.place import Places
from ingest.formats.when import as_instant
from registry.catalog import Catalog

DEFAULT = Feed("/neuron/{gateway}/upload", "neuron")
_PARTS = ("values", "tags", "errors", "error_values")


class NeuronFormat:
    """See the module; the node is the device unless the topic names one."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names))

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])):
            body = parse_json(message.payload)
            if not isinstance(body, dict):
                raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an object")
            if not any(part in body for part in _PARTS):
                columns.statuses += 1  # the state of a node, an answer to a command
                return
            node = body.get("node")
            device = parts["device"] or (node if isinstance(node, str) else "")
            origin = self.places.find(parts["gateway"], device)
            readings = origin.readings(columns)
            with Refusing(columns, origin.gateway):
                time = body.get("timestamp")
                _take(body, ABSENT if time is None else as_instant(time, origin.zone, ("epoch",)), readings)
            before = columns.so_far
            readings.close()
            columns.statuses += columns.silent and columns.so_far == before


def _take(body: dict[str, Any], t: int, readings: Readings) -> None:
    """Take each tag once: a format of one's own may hold them as an object and as an array, errors too."""
    taken: set[str] = set()
    for part in _PARTS:
        for tag in _tags(part, body.get(part)):
            with Refusing(readings.columns, readings.gateway):
                if not isinstance(tag, dict) or not isinstance(tag.get("name"), str):
                    raise Refusal(
                        Reason.BAD_SHAPE, f'{brief(tag)}: expected {{"name": "tag", "value": number}}'
                    )
                name = tag["name"]
                if name in taken:
                    readings.columns.spend(1, readings.gateway)
                    continue
                taken.add(name)
                if tag.get("error"):
                    raise Refusal(Reason.BAD_QUALITY, f"{brief(name)}: error {brief(tag['error'])}")
                readings.take(name, tag.get("value"), t)


def _tags(part: str, found: Any) -> Iterator[Any]:
    """Yield the tags of a part of a message, {"name", and "value" or "error"}."""
    if isinstance(found, dict):
        kind = "value" if part in ("values", "tags") else "error"
        for name, raw in found.items():
            yield {"name": name, kind: raw}
    elif isinstance(found, list):
        yield from found
    elif found is not None:
        raise Refusal(Reason.BAD_SHAPE, f"{part} = {brief(found)}: expected an object or an array")
