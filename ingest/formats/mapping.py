"""Mapping: JSON of any vendor, read as a mapping file says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from core.batch import Quality
from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message, Reply
from ingest.feed import Feed, filled
from ingest.formats import mapping_file
from ingest.formats.contract import Refusal, Refusing, as_value, brief, parse_json
from ingest.formats.mapping_file import ListOf, Mapping, Reading, load_mapping
from ingest.formats.names import MOST_CACHED, Names, Readings, load_names
from ingest.formats.place import Origin, Places
from ingest.formats.pointer import EVERY, MISSING, Pointer, find, walk
from ingest.formats.registers import registers_of
from ingest.formats.when import as_instant
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

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self._parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])) as refusing:
            body = self._body(message.payload)
            self._answer(body, parts, columns)
            if not self._has_readings(body):
                columns.statuses += 1
                return
            records = list(walk(body, self.mapping.records))
            if not records and self.mapping.records:
                where = "/" + "/".join(self.mapping.records)
                raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: there is nothing at {where}")
            for _names, record in records:
                with refusing:
                    columns.spend(5 + len(self.mapping.readings), refusing.gateway)
                    self._take(record, body, parts=parts, columns=columns)

    def _parts(self, topic: str) -> dict[str, str]:
        """Return what the topic says, by the feed's filter, else by the mapping's topic; the feed's settings last."""
        parts = self._pattern.parts(topic)
        parts["gateway"] = parts["gateway"] or self.feed.gateway
        parts["device"] = parts["device"] or self.feed.device
        return parts

    def _body(self, payload: bytes) -> Any:
        body = parse_json(payload)
        return stripped(body) if self.mapping.strip_keys and _SPACED.search(payload) else body

    def _has_readings(self, body: Any) -> bool:
        return all(find(body, pointer) in values for pointer, values in self.mapping.only)

    def _answer(self, body: Any, parts: dict[str, str], columns: Columns) -> None:
        for answer in self.mapping.answers:
            topic = filled(self.feed.reply_pattern, parts) if self.feed.reply_pattern else ""
            if topic and find(body, answer.pointer) == answer.value:
                columns.replies.append(Reply(topic, answer.payload))

    def _take(self, record: Any, body: Any, *, parts: dict[str, str], columns: Columns) -> None:
        mapping = self.mapping
        gateway = parts["gateway"] or _name(mapping.gateway, record, body)
        origin = self.places.find(gateway, _name(mapping.device, record, body) or parts["device"])
        with Refusing(columns, origin.gateway):
            if not isinstance(record, dict | list):
                raise Refusal(Reason.BAD_SHAPE, f"{brief(record)}: expected an object")
            t, quality = self._time(record, body, origin), _quality(mapping.quality, record, body)
            readings = origin.readings(columns)
            for reading in mapping.readings:
                self._take_reading(reading, record, body, t=t, quality=quality, readings=readings)
            for one in mapping.lists:
                self._take_list(one, record, t=t, quality=quality, origin=origin, readings=readings)
            for pointer in mapping.flat:
                for name, raw in _members(find(record, pointer), mapping):
                    readings.take(name, raw, t, quality)
            readings.close()

    def _time(self, record: Any, body: Any, origin: Origin) -> int:
        for pointer in self.mapping.time:
            raw = _either(pointer, record, body)
            if raw is not MISSING and raw is not None:
                return as_instant(raw, self.mapping.zone or origin.zone, self.mapping.formats)
        return ABSENT

    def _take_reading(
        self, reading: Reading, record: Any, body: Any, *, t: int, quality: Quality, readings: Readings
    ) -> None:
        if EVERY not in reading.pointer:
            raw = find(record, reading.pointer)
            if raw is not MISSING:
                _take(
                    reading,
                    reading.name,
                    raw,
                    body=body,
                    record=record,
                    t=t,
                    quality=quality,
                    readings=readings,
                )
            return
        for names, raw in walk(record, reading.pointer):
            name = _concrete(reading, names, self.places.names)
            _take(reading, name, raw, body=body, record=record, t=t, quality=quality, readings=readings)

    def _take_list(
        self, one: ListOf, record: Any, *, t: int, quality: Quality, origin: Origin, readings: Readings
    ) -> None:
        for _names, member in walk(record, one.each):
            readings.columns.spend(1, readings.gateway)
            name = find(member, one.name)
            with Refusing(readings.columns, readings.gateway):
                if not isinstance(name, str):
                    raise Refusal(Reason.BAD_SHAPE, f"{brief(member)}: nothing names it")
                error = find(member, one.error) if one.error else MISSING
                if error is not MISSING and error:
                    raise Refusal(Reason.BAD_QUALITY, f"{brief(name)}: error {brief(error)}")
                own = find(member, one.time) if one.time else MISSING
                zone = self.mapping.zone or origin.zone
                when = t if own in (MISSING, None) else as_instant(own, zone, self.mapping.formats)
                raw = find(member, one.value)
                readings.take(name, None if raw is MISSING else raw, when, quality)


def _take(
    reading: Reading,
    name: str,
    raw: Any,
    *,
    body: Any,
    record: Any,
    t: int,
    quality: Quality,
    readings: Readings,
) -> None:
    with Refusing(readings.columns, readings.gateway):
        if reading.register and raw is not None:
            raw = reading.register.value(registers_of(raw))
        times = 1.0
        for pointer in reading.times:
            factor = _either(pointer, record, body)
            times *= 1.0 if factor is MISSING or factor is None else as_value(factor)
        readings.take(name, raw, t, quality, times=times)


def _concrete(reading: Reading, names: Pointer, table: Names) -> str:
    """Return the name of one place of a wildcard, and see to it that the table knows its signal."""
    rest = iter(names)
    name = "/".join(next(rest) if token == EVERY else token for token in reading.pointer)
    if name not in table.own and len(table.own) < MOST_CACHED:
        words = [
            reading.index[int(one)] if one.isdigit() and int(one) < len(reading.index) else one
            for one in names
        ]
        signal = reading.meaning.signal
        for word in words:
            signal = signal.replace("{}", word, 1)
        table.own[name] = replace(reading.meaning, signal=signal)
    return name


def _either(pointer: Pointer, record: Any, body: Any) -> Any:
    found = find(record, pointer)
    return find(body, pointer) if found is MISSING else found


def _name(pointer: Pointer | None, record: Any, body: Any) -> str:
    """Return the name that a pointer leads to, "" for none; a number is a name too."""
    found = MISSING if pointer is None else _either(pointer, record, body)
    if isinstance(found, str):
        return found.strip()
    return (
        str(found) if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 1 << 64 else ""
    )


def _quality(rule: mapping_file.Quality | None, record: Any, body: Any) -> Quality:
    if rule is None:
        return Quality.GOOD
    found = _either(rule.pointer, record, body)
    if found is MISSING or found in rule.good:
        return Quality.GOOD
    return Quality.BAD if found in rule.bad else Quality.UNCERTAIN


def _members(node: Any, mapping: Mapping) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of an object by their names; texts only where a table names them."""
    if isinstance(node, dict):
        for name, raw in node.items():
            wanted = isinstance(raw, bool | int | float) or (
                isinstance(raw, str) and name in mapping.names.own
            )
            if wanted and name not in mapping.ignore:
                yield name, raw


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
