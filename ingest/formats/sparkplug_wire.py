"""Sparkplug B on the wire: the protobuf messages Payload and Metric, read and written by field number.

Source of the numbers: the schema sparkplug_b.proto of the Eclipse Tahu project (Payload 1–5, Metric 1–19).
`quick` takes the usual data message (alias, time, number) with one regular expression; `read` takes everything.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from core.batch import Quality
from core.reject import Reason
from ingest.formats.contract import Refusal

# So many metrics of one message are read: no message may cost us more than 50 ms.
MOST_METRICS = 2_500
LARGEST_QUICK = 65_536
MOST_PROPERTIES = 64
MOST_FIELDS = 64


class DataType(IntEnum):
    """What a metric's value is; only those that are numbers become readings."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19


_SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_MOST = (1 << 64) - 1


class Metric(NamedTuple):
    """One metric; value None = null or none, bytes = something that is no number; alias -1 = none."""

    name: str = ""
    alias: int = -1
    t: int = 0
    datatype: int = 0
    historical: bool = False
    value: Any = None
    quality: Quality = Quality.GOOD


class Payload(NamedTuple):
    """One message; seq -1 = none, t 0 = none."""

    t: int
    seq: int
    metrics: list[Metric]


class Quick(NamedTuple):
    """A data message whose metrics all have an alias: (all bytes, alias, time, type, value by its kind) of each."""

    t: int
    seq: int
    metrics: list[tuple[bytes, ...]]


_VARINT = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_HEAD = re.compile(rb"\x08([\x80-\xff]{5}[\x00-\x7f])")
_METRIC = re.compile(
    rb"(\x12[\x02-\x7f]\x10([\x80-\xff]{0,4}[\x00-\x7f])(?:\x18([\x80-\xff]{5}[\x00-\x7f]))?(?:\x20([\x01-\x0b]))?"
    rb"(?:\x65(.{4})|\x69(.{8})|\x70([\x00\x01])|\x50(" + _VARINT + rb")|\x58(" + _VARINT + rb")))",
    re.DOTALL,
)
# What is behind the name of a usual metric: alias, time, type, and the value by its kind.
_NAMED = re.compile(
    rb"(?:\x10(" + _VARINT + rb"))?(?:\x18(" + _VARINT + rb"))?(?:\x20([\x01-\x0b]))?"
    rb"(?:\x65(.{4})|\x69(.{8})|\x70([\x00\x01])|\x50(" + _VARINT + rb")|\x58(" + _VARINT + rb"))",
    re.DOTALL,
)
_TAIL = re.compile(rb"\x18([\x80-\xff]?[\x00-\x7f])")
_float, _double = struct.Struct("<f").unpack, struct.Struct("<d").unpack


def quick(data: bytes) -> Quick | None:
    """Return a usual data message taken apart, None for any other."""
    if len(data) > LARGEST_QUICK:
        return None
    head = _HEAD.match(data)
    if head is None:
        return None
    found = _METRIC.findall(data, head.end())
    end = head.end()
    for one in found:
        n = len(one[0])
        if one[0][1] != n - 2:
            return None
        end += n
    # Matches that skipped nothing end where the message's number begins.
    tail = _TAIL.fullmatch(data, end)
    if tail is None or len(found) > MOST_METRICS:
        return None
    return Quick(unsigned(head[1]), unsigned(tail[1]), found)


def unsigned(varint: bytes) -> int:
    """Return the number of a whole varint."""
    number = shift = 0
    for byte in varint:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number & _MOST


def number_of(one: tuple[bytes, ...], datatype: int) -> float:
    """Return the value of a metric of `quick`; `datatype` as announced at birth."""
    if one[4]:
        return float(_float(one[4])[0])
    if one[5]:
        return float(_double(one[5])[0])
    if one[6]:
        return float(one[6][0])
    return float(signed(unsigned(one[7] or one[8]), one[3][0] if one[3] else datatype))


def signed(number: int, datatype: int) -> int:
    """Return a number of the unsigned fields as its type means it: two's complement."""
    bits = _SIGNED.get(datatype)  # type: ignore[call-overload]
    if bits is None:
        return number
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


# ── reading everything ────────────────────────────────────────────────────────
def read(data: bytes) -> Payload:
    """Return a message; raises Refusal where it is not protobuf of that shape."""
    t, seq = 0, -1
    metrics: list[Metric] = []
    for number, value in _fields(data, MOST_METRICS + MOST_FIELDS):
        if number == 2 and isinstance(value, bytes):
            if len(metrics) >= MOST_METRICS:
                raise Refusal(Reason.TOO_LARGE, f"more than {MOST_METRICS} metrics")
            metrics.append(_metric(value))
        elif number == 1 and isinstance(value, int):
            t = value
        elif number == 3 and isinstance(value, int):
            seq = value
    return Payload(t, seq, metrics)


def _fields(data: bytes, most: int) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, varint as int or anything else as bytes) of at most so many fields."""
    place, end, left = 0, len(data), most
    while place < end:
        left -= 1
        if left < 0:
            raise Refusal(Reason.TOO_LARGE, f"more than {most} fields")
        key = data[place]
        place += 1
        if key > 0x7F:
            key, place = _varint(data, place - 1)
        kind = key & 7
        if kind == 5:
            n = 4
        elif kind == 1:
            n = 8
        elif kind in (0, 2):
            n = data[place] if place < end else 0x80
            if n > 0x7F:
                n, place = _varint(data, place)
            else:
                place += 1
            if kind == 0:
                yield key >> 3, n
                continue
        else:
            raise Refusal(Reason.BAD_SHAPE, f"byte {place}: no protobuf")
        if place + n > end:
            raise Refusal(Reason.BAD_SHAPE, f"byte {place}: no protobuf")
        yield key >> 3, data[place : place + n]
        place += n


def _varint(data: bytes, place: int) -> tuple[int, int]:
    if place < len(data) and data[place] < 0x80:
        return data[place], place + 1
    number = shift = 0
    for byte in data[place : place + 10]:
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _MOST, place
        shift += 7
    raise Refusal(Reason.BAD_SHAPE, f"byte {place}: no protobuf, or cut")


def _metric(data: bytes) -> Metric:
    return _usual_metric(data) or _any_metric(data)


def _usual_metric(data: bytes) -> Metric | None:
    """Return a metric as births have them, name first and value last; None for any other."""
    if len(data) < 2 or data[0] != 0x0A or data[1] > 0x7F:
        return None
    match = _NAMED.fullmatch(data, 2 + data[1])
    if match is None:
        return None
    alias, t, datatype, single, double, boolean, integer, long = match.groups(b"")
    kind = datatype[0] if datatype else 0
    value: float | bool
    if single:
        value = float(_float(single)[0])
    elif double:
        value = float(_double(double)[0])
    elif boolean:
        value = bool(boolean[0])
    else:
        value = signed(unsigned(integer or long), kind)
    name = _text(data[2 : 2 + data[1]])
    return Metric(name, unsigned(alias) if alias else -1, unsigned(t), kind, value=value)


def _any_metric(data: bytes) -> Metric:
    known: dict[int, int | bytes] = {}
    value: Any = None
    for number, field in _fields(data, MOST_FIELDS):
        if number < 10:
            known[number] = field
        elif number <= 19:
            value = (number, field)
    is_null = bool(known.get(7, 0))
    datatype = _int(known.get(4, 0))
    return Metric(
        name=_text(known.get(1, b"")),
        alias=_int(known[2]) if 2 in known else -1,
        t=_int(known.get(3, 0)),
        datatype=datatype,
        historical=bool(known.get(5, 0)),
        value=None if is_null or value is None else _value(value[0], value[1], datatype),
        quality=_quality(known[9]) if 9 in known else Quality.GOOD,
    )


def _value(number: int, field: int | bytes, datatype: int) -> Any:
    """Return a metric's value; bytes stand for what is no number, with their kind's name."""
    if number in (10, 11) and isinstance(field, int):
        return field if datatype == 0 else signed(field, datatype)
    if number == 12 and isinstance(field, bytes) and len(field) == 4:
        return float(_float(field)[0])
    if number == 13 and isinstance(field, bytes) and len(field) == 8:
        return float(_double(field)[0])
    if number == 14 and isinstance(field, int):
        return bool(field)
    if number == 15 and isinstance(field, bytes):
        return _text(field)
    if number >= 16:
        return {16: b"bytes", 17: b"a DataSet", 18: b"a Template", 19: b"an extension"}[number]
    raise Refusal(Reason.BAD_SHAPE, f"field {number} of a metric has another type")


def _quality(properties: int | bytes) -> Quality:
    """Return what the property Quality says: 192 good, 0 bad, 500 stale."""
    names, values = [], []
    for number, field in _fields(_bytes(properties), 2 * MOST_PROPERTIES):
        if number == 1:
            names.append(_text(field))
        elif number == 2:
            values.append(_bytes(field))
    if "Quality" not in names[: len(values)]:
        return Quality.GOOD
    found = dict(_fields(values[names.index("Quality")], MOST_FIELDS))
    code = _int(found.get(3, found.get(4, 192)))
    return {192: Quality.GOOD, 0: Quality.BAD, 500: Quality.BAD}.get(code, Quality.UNCERTAIN)


def _int(field: int | bytes) -> int:
    if isinstance(field, int):
        return field
    raise Refusal(Reason.BAD_SHAPE, "a number of a metric has another type")


def _bytes(field: int | bytes) -> bytes:
    if isinstance(field, bytes):
        return field
    raise Refusal(Reason.BAD_SHAPE, "a part of a metric has another type")


def _text(field: int | bytes) -> str:
    try:
        return _bytes(field).decode()
    except UnicodeDecodeError:
        raise Refusal(Reason.NOT_UTF8, "a name or text of a metric is not UTF-8") from None


# ── writing ───────────────────────────────────────────────────────────────────
def varint(number: int) -> bytes:
    """Return a number as a varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def rebirth(t_ms: int) -> bytes:
    """Return the command that asks an edge node for its birth certificates."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + varint(len(name)) + name + b"\x18" + varint(t_ms) + b"\x20\x0b\x70\x01"
    return b"\x08" + varint(t_ms) + b"\x12" + varint(len(metric)) + metric
