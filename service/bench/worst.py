"""The worst messages that we could think of: as long as a payload may be, and all of it work.

Tests hold each to a number of steps and bytes; `fengsui bench decode --worst` tells what it costs here.
"""

from __future__ import annotations

import gc
import struct
import time
from collections.abc import Iterable, Iterator, Mapping

from core.time import DAY
from ingest.columns import Message, Tolerance
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.formats.hj212_frame import crc
from ingest.open_catalog import OpenCatalog
from service.bench.report import Result

NOW = 1_795_222_800_000_000_000
LARGEST = 262_144
_FAR = Tolerance(future=40_000 * DAY, age=40_000 * DAY)
_METRIC = b"\x10\x01\x18\x80\x80\x8d\xf8\xdc\x9f\x34\x20\x09\x65" + struct.pack("<f", 1)
_SENML, _NODES, _MN = Feed("senml/{gateway}", "senml"), Feed("spBv1.0/#", "sparkplug"), "hj212/{gateway}/up"
_FLAT = Feed("dtu/{gateway}/{device}", "mapping", "dtu_flat")
_METER = bytes.fromhex("6861010000000068910833333433593333338A16")


def repeated(begin: bytes, piece: bytes, end: bytes, separator: bytes = b",") -> bytes:
    """Return a payload with as many pieces as fit."""
    n = (LARGEST - len(begin) - len(end)) // (len(piece) + len(separator))
    return begin + separator.join([piece] * n) + end


def _numbered(begin: bytes, piece: bytes, end: bytes) -> bytes:
    """Return a payload with as many pieces as fit, each with another number in it."""
    n = (LARGEST - len(begin) - len(end)) // (len(piece) + 4)
    return begin + b",".join(piece % k for k in range(n)) + end


def _frame(cp: bytes) -> bytes:
    data = b"QN=20261121090000123;ST=39;CN=2051;PW=1;MN=M;Flag=4;CP=&&DataTime=20261121090000;" + cp + b"&&"
    return b"##%04d%b%04X" % (len(data), data, crc(data))


def _metrics(count: int, name: bytes) -> bytes:
    names = (name.replace(b"%d", b"%d" % k) for k in range(count))
    metrics = (b"\x0a" + bytes([len(one)]) + one + _METRIC for one in names)
    return b"".join(b"\x12" + bytes([len(metric)]) + metric for metric in metrics)


# name → (topic, feed, payload)
MESSAGES: Mapping[str, tuple[str, Feed, bytes]] = {
    "native rows": ("fs/v1/g/d", Feed("fs/v1/+/+", "native"), repeated(b'{"readings":[', b'{"m":"a","v":1}', b"]}")),
    "native faults": ("fs/v1/g/d", Feed("fs/v1/+/+", "native"), repeated(b'{"readings":[', b'{"m":"a","v":""}', b"]}")),
    "native slow": (
        "fs/v1/g/d", Feed("fs/v1/+/+", "native"),
        repeated(b'{"readings":[{"m":"a","v":""},', b'{"m":"a","v":1}', b"]}"),
    ),
    "columnar": (
        "fs/v1/g/d", Feed("fs/v1/+/+", "native"),
        b'{"t0":1795222800000,"dt":[' + b",".join([b"0"] * 60_000) + b'],"series":{"a":['
        + b",".join([b"1"] * 60_000) + b"]}}",
    ),
    "columnar slow": (
        "fs/v1/g/d", Feed("fs/v1/+/+", "native"),
        b'{"t0":1795222800000,"dt":[' + b",".join([b"0"] * 60_000) + b'],"series":{"a":["",'
        + b",".join([b"1"] * 59_999) + b"]}}",
    ),
    "columnar columns": (
        "fs/v1/g/d", Feed("fs/v1/+/+", "native"),
        _numbered(b'{"t0":1795222800000,"dt":[0],"series":{', b'"a%d":[1]', b"}}"),
    ),
    "senml": ("senml/g", _SENML, repeated(b"[", b'{"n":"a","v":1}', b"]")),
    "senml records": ("senml/g", _SENML, b"[" + b",".join([b'{"n":"a","v":1}'] * 5_000) + b"]"),
    "senml names": ("senml/g", _SENML, b"[" + b",".join(b'{"n":"d/a%d","v":1}' % k for k in range(5_000)) + b"]"),
    "cbor": ("senml/g", _SENML, b"\x9f" + b"\xa2\x00\x61a\x02\x01" * 40_000 + b"\xff"),
    "cbor nested": ("senml/g", _SENML, b"\x81" * LARGEST),
    "sparkplug": ("spBv1.0/g/NBIRTH/e", _NODES, _metrics(9_000, b"a")),
    "sparkplug names": ("spBv1.0/g/NBIRTH/e", _NODES, _metrics(2_500, b"a%d")),
    "sparkplug empty": ("spBv1.0/g/NBIRTH/e", _NODES, b"\x12\x00" * 131_000),
    "sparkplug fields": ("spBv1.0/g/NDATA/e", _NODES, b"\x08\x01" * 131_000),
    "sparkplug quick": (
        "spBv1.0/g/NDATA/e", _NODES,
        b"\x08\x80\x80\x8d\xf8\xdc\x9f\x34" + b"\x12\x07\x10\x01\x65abcd" * 29_000 + b"\x18\x01",
    ),
    "hj212": ("hj212/g/up", Feed(_MN, "hj212"), _frame(b"a-Avg=1;" * 1_200) * 6),
    "hj212 frames": ("hj212/g/up", Feed(_MN, "hj212"), _frame(b"") * 600),
    "hj212 large": ("hj212/g/up", Feed(_MN, "hj212"), _frame(b"a-Rtd=1;" * 1_200) * 26),
    "mapping records": ("x", Feed("x", "mapping", "edgelogger"), repeated(b'{"batch":[', b"{}", b"]}")),
    "mapping in vain": ("jsons/g", Feed("jsons/{gateway}", "mapping", "flat_array"), repeated(b"[", b"[{}]", b"]")),
    "mapping flat": ("dtu/g/d", _FLAT, _numbered(b"{", b'"a%d":1', b"}")),
    "mapping spaces": ("dtu/g/d", _FLAT, repeated(b'{"a ":[', b"[]", b"]}")),
    "mapping list": (
        "x", Feed("x", "mapping", "cet_properties"),
        repeated(b'{"location_code":"d","properties":[', b'{"key":"a","value":1}', b"]}"),
    ),
    "mapping lines": ("x", Feed("x", "mapping", "line_protocol"), b"m,device=d a=1\n" * 17_000),
    "mapping line": ("x", Feed("x", "mapping", "line_protocol"), b"m,device=d " + b"a" * 260_000 + b"=1"),
    "mapping fields": (
        "x", Feed("x", "mapping", "line_protocol"),
        _numbered(b"m,device=d ", b"a%d=1", b"")[:32_000].rsplit(b",", 1)[0],
    ),
    "mapping no field": (
        "x", Feed("x", "mapping", "line_protocol"), b"m,device=d a=1," + b"9" * 32_000,
    ),
    "mapping csv": ("x", Feed("x", "mapping", "csv_lines"), b"device,a\n" + b"d,1\n" * 1_900),
    "mapping cells": (
        "x", Feed("x", "mapping", "csv_lines"),
        b"device," + _numbered(b"", b"a%d", b"")[:60_000].rsplit(b",", 1)[0] + b"\nd" + b",1" * 9_000,
    ),
    "mapping pairs": ("p/d", Feed("p/{device}", "mapping", "name_value_pairs"), b"a=1;" * 65_000),
    "mapping separators": ("p/d", Feed("p/{device}", "mapping", "name_value_pairs"), b";" * LARGEST),
    "mapping places": (
        "x", Feed("x", "mapping", "alink"), _numbered(b'{"method":"thing.property.post","params":{', b'"a%d":1', b"}}"),
    ),
    "tasmota": ("tele/d/SENSOR", Feed("tele/{device}/+", "tasmota"), _numbered(b"{", b'"a%d":1', b"}")),
    "tasmota nothing": ("tele/d/SENSOR", Feed("tele/{device}/+", "tasmota"), _numbered(b"{", b'"a%d":{}', b"}")),
    "shelly": ("shellies/d/x", Feed("shellies/{device}/#", "shelly"), _numbered(b"{", b'"a%d":{"b":1}', b"}")),
    "shelly nothing": ("shellies/d/x", Feed("shellies/{device}/#", "shelly"), _numbered(b"{", b'"a%d":[{}]', b"}")),
    "neuron": (
        "/neuron/g/upload", Feed("/neuron/{gateway}/upload", "neuron"),
        _numbered(b'{"node":"d","tags":[', b'{"name":"a%d","value":1}', b"]}"),
    ),
    "thingsboard": (
        "v1/devices/me/telemetry", Feed("v1/devices/me/telemetry", "thingsboard", device="d"),
        repeated(b"[", b'{"a":1}', b"]"),
    ),
    "thingsboard devices": (
        "v1/gateway/telemetry", Feed("v1/gateway/telemetry", "thingsboard"), _numbered(b"{", b'"d%d":[{"a":1}]', b"}"),
    ),
    "dlt645": ("d", Feed("d", "dlt645"), _METER * (LARGEST // len(_METER))),
    "dlt645 hex": ("d", Feed("d", "dlt645"), b"68 " * 87_000),
    "modbus": ("d", Feed("d", "modbus"), b"\x01\x03\xfe" + bytes(254)),
    "deep json": ("x", Feed("x", "mapping", "edgelogger"), b"[" * LARGEST),
}  # fmt: skip


def prepared(name: str) -> tuple[Decoder, Message]:
    """Return a fresh decoder for which everything exists, and the message of that name."""
    topic, feed, payload = MESSAGES[name]
    return Decoder([feed], OpenCatalog().catalog, tolerance=_FAR), Message(topic, payload, NOW)


def run(names: Iterable[str] = MESSAGES, *, rounds: int = 5) -> Iterator[Result]:
    """Yield what each of these messages costs: the best of some rounds, CPU time."""
    for name in names:
        best = min(_seconds(name) for _ in range(rounds))
        yield {"case": f"worst {name}", "ms": round(best * 1e3, 1), "payload_bytes": len(MESSAGES[name][2])}


def _seconds(name: str) -> float:
    decoder, message = prepared(name)
    gc.collect()
    gc.disable()  # as the service does
    try:
        begin = time.process_time()
        decoder.decode([message], NOW)
        return time.process_time() - begin
    finally:
        gc.enable()
