"""EMQX Neuron's uploads, docs/wire.md §7: `{"node", "group", "timestamp", …}` with one of

values  {"tag": 123}                              errors {"tag": 2014}
tags    [{"name": "tag", "value": 123} or {"name": "tag", "error": 2014}]
"""

from __future__ import annotations

from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing, as_time, brief, parse_json
from ingest.formats.names import Readings, load_names
from ingest.formats.place import Places
from registry.catalog import Catalog

DEFAULT = Feed("/neuron/{gateway}/upload", "neuron")


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
            if "values" not in body and "tags" not in body and "errors" not in body:
                columns.statuses += 1  # the state of a node, an answer to a command
                return
            node = body.get("node")
            device = parts["device"] or (node if isinstance(node, str) else "")
            origin = self.places.find(parts["gateway"], device)
            readings = origin.readings(columns)
            with Refusing(columns, origin.gateway):
                t = ABSENT if body.get("timestamp") is None else as_time(body["timestamp"])
                _take(body, t, readings)
            readings.close()


def _take(body: dict[str, Any], t: int, readings: Readings) -> None:
    values, errors, tags = body.get("values", {}), body.get("errors", {}), body.get("tags", [])
    if not isinstance(values, dict) or not isinstance(errors, dict) or not isinstance(tags, list):
        raise Refusal(Reason.BAD_SHAPE, "expected values and errors as objects, tags as an array")
    for name, raw in values.items():
        readings.take(name, raw, t)
    for name, code in errors.items():
        readings.refuse(Reason.BAD_QUALITY, f"{brief(name)}: error {brief(code)}")
    for tag in tags:
        with Refusing(readings.columns, readings.gateway):
            if not isinstance(tag, dict) or not isinstance(tag.get("name"), str):
                raise Refusal(Reason.BAD_SHAPE, f'{brief(tag)}: expected {{"name": "tag", "value": number}}')
            if tag.get("error"):
                raise Refusal(Reason.BAD_QUALITY, f"{brief(tag['name'])}: error {brief(tag['error'])}")
            readings.take(tag["name"], tag.get("value"), t)
