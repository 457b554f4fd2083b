"""SenML (RFC 8428) as JSON and CBOR, docs/wire.md §6.

    resolved record: name = bn + n, time = bt + t (below 2^28: counted from arrival), value = bv + v, sum = bs + s,
    unit = u or bu

Whose reading it is: where the topic names the device, `n` is the signal.  Else the base name is the device and `n`
the signal; without a base name the name is cut at its last slash, or behind a device URN; a device that gives one
thing only names nothing else: signal `value`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats import cbor
from ingest.formats.contract import Refusal, Refusing, as_value, brief, parse_json
from ingest.formats.names import Readings, load_names
from ingest.formats.place import Origin, Places
from ingest.instant import LARGEST
from registry.catalog import Catalog

DEFAULT = Feed("senml/{gateway}", "senml")
# RFC 8428 4.5.3: smaller times are relative to now.
RELATIVE = 1 << 28
VERSION = 10
MOST_RECORDS = 5_000
_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_KNOWN = frozenset(_LABELS.values())
_URN = re.compile(r"(urn:dev:[^:/]+:[^:/_]+)[:/_]*(.*)")


@dataclass(slots=True)
class Base:
    """The base fields that are in force."""

    name: str = ""
    time: float = 0.0
    unit: str = ""
    value: float | None = None
    sum: float | None = None


class SenmlFormat:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names))

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        refusing = Refusing(columns, self.places.owner(parts["gateway"]))
        with refusing:
            pack = _pack(message.payload)
            open_readings: dict[int, Readings] = {}
            for record, base in _records(pack):
                with refusing:
                    columns.spend(4, refusing.gateway)
                    device, signal = _split(base.name, record.get("n", ""), parts["device"])
                    origin = self._find(parts["gateway"], device)
                    readings = open_readings.get(origin.device.id)
                    if readings is None:
                        readings = open_readings[origin.device.id] = origin.readings(columns)
                    with Refusing(columns, origin.gateway):
                        _take(record, base, signal, message=message, readings=readings)
            before = columns.so_far
            for readings in open_readings.values():
                readings.close()
            columns.statuses += columns.silent and columns.so_far == before

    def _find(self, gateway: str, device: str) -> Origin:
        """Return who a device URN, or the last part of it, names."""
        try:
            return self.places.find(gateway, device)
        except Refusal:
            last = re.split("[:/]", device)[-1]
            if last == device:
                raise
            return self.places.find(gateway, last)


def _pack(payload: bytes) -> list[Any]:
    text = payload.lstrip()
    body = (
        parse_json(payload)
        if text[:1] in (b"[", b"{") or text[:3] == b"\xef\xbb\xbf"
        else cbor.loads(payload)
    )
    if not isinstance(body, list):
        raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an array of records")
    if len(body) > MOST_RECORDS:
        raise Refusal(Reason.BAD_SHAPE, f"{len(body)} records, at most {MOST_RECORDS}")
    return body


def _records(pack: list[Any]) -> Iterator[tuple[Mapping[str, Any], Base]]:
    """Yield records with the base that holds for them; raises Refusal when the pack must not be read."""
    records = [_labelled(record) for record in pack]
    base = Base()
    for record in records:
        if "bn" in record:
            base.name = _typed(record["bn"], str, "bn")
        if "bt" in record:
            base.time = as_value(record["bt"])
        if "bu" in record:
            base.unit = _typed(record["bu"], str, "bu")
        if "bv" in record:
            base.value = as_value(record["bv"])
        if "bs" in record:
            base.sum = as_value(record["bs"])
        yield record, base


def _labelled(record: Any) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise Refusal(Reason.BAD_SHAPE, f"{brief(record)}: expected a record")
    found = {
        _LABELS.get(key, str(key)) if isinstance(key, int) else key: value for key, value in record.items()
    }
    for key in found:
        if key not in _KNOWN and key.endswith("_"):
            raise Refusal(Reason.BAD_SHAPE, f"{brief(key)} must be understood, and is not")
    version = found.get("bver", VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version > VERSION:
        raise Refusal(Reason.BAD_SHAPE, f"bver {brief(version)}: at most {VERSION} is read")
    return found


def _typed(value: Any, kind: type[str], label: str) -> str:
    if isinstance(value, kind):
        return value
    raise Refusal(Reason.BAD_SHAPE, f"{label} = {brief(value)}: expected a text")


def _split(base: str, name: Any, device: str) -> tuple[str, str]:
    """Return (device, signal) of a base name and a name."""
    name = _typed(name, str, "n")
    if device:
        return device, name or "value"
    if base and name:
        return base.rstrip(":/._-"), name
    whole = base or name
    if match := _URN.fullmatch(whole):
        return match[1], match[2] or "value"
    head, slash, last = whole.rpartition("/")
    return (head, last) if slash and last else (whole.rstrip("/"), "value")


def _take(
    record: Mapping[str, Any], base: Base, signal: str, *, message: Message, readings: Readings
) -> None:
    if not base.name and not record.get("n"):
        raise Refusal(Reason.BAD_SHAPE, "the record has no name")
    unit = _typed(record.get("u", base.unit), str, "u")
    if not _KNOWN.isdisjoint(record) and not (record.keys() & {"n", "v", "vs", "vb", "vd", "s", "t", "u"}):
        return  # base fields alone
    t = _time(base.time, record.get("t", 0), message)
    if "vb" in record:
        if not isinstance(record["vb"], bool):
            raise Refusal(Reason.NOT_A_NUMBER, f"vb = {brief(record['vb'])}: expected true or false")
        readings.take(signal, record["vb"], t)
    elif "vs" in record or "vd" in record:
        readings.take(signal, record.get("vs", "data"), t)
    elif "v" in record or (base.value is not None and "s" not in record):
        readings.take(signal, _number(record.get("v", 0)) + (base.value or 0.0), t, unit=unit)
    elif "s" not in record:
        raise Refusal(Reason.BAD_SHAPE, f"{brief(signal)}: neither value nor sum")
    if "s" in record or (base.sum is not None and "v" in record):
        readings.take(signal + "_sum", _number(record.get("s", 0)) + (base.sum or 0.0), t)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise Refusal(Reason.NOT_A_NUMBER, "true and false stand in vb")
    return as_value(value)


def _time(base: float, t: Any, message: Message) -> int:
    """Return ns; a small time counts from when the message reached us."""
    moment = base + _number(t)
    if moment == 0:
        return ABSENT
    if abs(moment) < RELATIVE:
        if message.retained:
            raise Refusal(Reason.BAD_TIME, "a retained record with a relative time")
        return message.arrived + round(moment * 1e6) * 1000
    if not 0 < moment * 1e9 <= LARGEST:
        raise Refusal(Reason.BAD_TIME, f"{moment:g} is not a time: seconds since 1970-01-01T00:00Z")
    return round(moment * 1e6) * 1000
