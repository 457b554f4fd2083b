"""Mapping: messages of any vendor, read as a mapping file says: bytes → body → records → readings."""

from __future__ import annotations

import re
from typing import Any

from core.reject import Reason
from ingest.columns import Columns, Message, Reply
from ingest.feed import Feed, filled
from ingest.formats.contract import Refusal, Refusing, brief
from ingest.formats.mapping_file import Mapping, load_mapping
from ingest.formats.mapping_record import Record
from ingest.formats.names import load_names
from ingest.formats.place import Places
from ingest.formats.pointer import MISSING, Place, find, places, seek
from registry.catalog import Catalog

MOST_DEPTH = 40
MOST_NODES = 20_000
# A key that begins or ends with a space.
_SPACED = re.compile(rb'"\s[^"]*"\s*:|[^\\]\s"\s*:')


class MappingFormat:
    """See the module; `mapping` is what the feed's file said when this was made."""

    def __init__(self, feed: Feed, *, mapping: Mapping | None = None) -> None:
        self.feed = feed
        self.mapping = mapping or load_mapping(feed.mapping)
        names = self.mapping.names
        if feed.names:
            names.own |= load_names(feed.names).own
        self.places = Places(names)
        self._pattern = Feed(self.mapping.topic, "") if "{" not in feed.filter else feed
        rest = self._pattern.filter.endswith("#")
        self._n_before_rest = self._pattern.filter.count("/") if rest else None

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self._parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])) as refusing:
            body = self._body(message.payload)
            self._answer(body, parts, columns)
            whole = Place((), body)
            records = self._records(whole)
            wanted = (
                [place for place in records if self._has_readings(place)] if self.mapping.only else records
            )
            if not wanted:
                if records or not self._has_readings(whole):
                    columns.statuses += 1
                    return
                where = "/" + "/".join(self.mapping.records)
                raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: there is nothing at {where}")
            for place in wanted:
                with refusing:
                    columns.spend(5 + len(self.mapping.readings) + len(self.mapping.flat), refusing.gateway)
                    Record(self.mapping, self.places, place, parts, columns).take()

    def _records(self, whole: Place) -> list[Place]:
        return list(places(whole, self.mapping.records)) if self.mapping.records else [whole]

    def _parts(self, topic: str) -> dict[str, str]:
        """Return what the topic says, by the feed's filter, else by the mapping's topic; the feed's settings last."""
        parts = self._pattern.parts(topic)
        parts["gateway"] = parts["gateway"] or self.feed.gateway
        parts["device"] = parts["device"] or self.feed.device
        if self._n_before_rest is not None:
            parts["#"] = topic.split("/", self._n_before_rest)[-1]
        return parts

    def _body(self, payload: bytes) -> Any:
        body = self.mapping.form.body(payload)
        return stripped(body) if self.mapping.strip_keys and _SPACED.search(payload) else body

    def _has_readings(self, place: Place) -> bool:
        """Whether a record, or the message around it, is of the kind that holds readings."""
        for pointer, values in self.mapping.only:
            found = seek(place.node, place.around, pointer)
            if found is MISSING or not (found in values or "*" in values):
                return False
        return True

    def _answer(self, body: Any, parts: dict[str, str], columns: Columns) -> None:
        for answer in self.mapping.answers:
            topic = filled(self.feed.reply_pattern, parts) if self.feed.reply_pattern else ""
            if topic and find(body, answer.pointer) == answer.value:
                columns.replies.append(Reply(topic, answer.payload))


def stripped(body: Any) -> Any:
    """Return JSON with whitespace around its keys removed; raises Refusal when it is nested too deeply, or too big."""
    left = [MOST_NODES]

    def strip(node: Any, depth: int) -> Any:
        left[0] -= 1
        if depth > MOST_DEPTH or left[0] < 0:
            raise Refusal(Reason.BAD_JSON, "nested too deeply, or too big for keys with spaces around them")
        if isinstance(node, dict):
            return {
                key.strip(): strip(one, depth + 1) if isinstance(one, dict | list) else one
                for key, one in node.items()
            }
        return [strip(one, depth + 1) if isinstance(one, dict | list) else one for one in node]

    return strip(body, 0) if isinstance(body, dict | list) else body
