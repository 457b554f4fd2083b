"""How fast messages become checked columns: one core, everything between the broker and the batch.

Each case decodes batches of messages of 200 devices through the `Decoder` of the service; the best of several rounds
counts, because what else runs on the machine only ever slows one down.
"""

from __future__ import annotations

import gc
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ingest.columns import Message
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.formats.hj212_frame import crc
from ingest.formats.sparkplug_wire import varint
from registry.catalog import Catalog, Device, Gateway, Limits
from service.bench.report import Result

N_DEVICES = 200
N_SIGNALS = 10
N_MESSAGES = 2_000
SIZES = (1, 10, 50, 200)
NOW = 1_795_222_800_000_000_000
_T = NOW // 10**6
Write = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """A format and how its messages of n readings are written; `begin` are messages that come first, once."""

    name: str
    feed: Feed
    topic: Callable[[int], str]
    write: Callable[[int, int, int], bytes]
    begin: Callable[[int], tuple[str, bytes]] | None = None


def _instants(n: int) -> tuple[int, int]:
    """Return (signals, instants) that make n readings."""
    return min(n, N_SIGNALS), -(-n // N_SIGNALS)


def _rows(_device: int, number: int, n: int) -> bytes:
    signals, instants = _instants(n)
    rows = (
        f'{{"m":"m{m}","ts":{_T - number - k},"v":{20 + m + number % 7:.2f}}}'
        for k in range(instants)
        for m in range(signals)
    )
    return f'{{"readings":[{",".join(rows)}]}}'.encode()


def _columnar(_device: int, number: int, n: int) -> bytes:
    signals, instants = _instants(n)
    column = ",".join(f"{20 + k + number % 7:.2f}" for k in range(instants))
    series = ",".join(f'"m{m}":[{column}]' for m in range(signals))
    steps = ",".join(str(k) for k in range(instants))
    return f'{{"t0":{_T - number - instants},"dt":[{steps}],"series":{{{series}}}}}'.encode()


def _sparkplug_birth(device: int) -> tuple[str, bytes]:
    metrics = b"".join(
        _field(b"\x0a" + bytes([len(name)]) + name + b"\x10" + varint(m) + b"\x20\x09\x65\0\0\0\0")
        for m in range(N_SIGNALS)
        if (name := b"m%d" % m)
    )
    topic = f"spBv1.0/g/NBIRTH/g{device:05d}"
    return topic, b"\x08" + varint(_T) + metrics + b"\x18\x00"


def _field(metric: bytes) -> bytes:
    return b"\x12" + varint(len(metric)) + metric


def _sparkplug(_device: int, number: int, n: int) -> bytes:
    signals, instants = _instants(n)
    metrics = b"".join(
        _field(
            b"\x10" + varint(m) + b"\x18" + varint(_T - number - k) + b"\x65"
            + struct.pack("<f", 20 + m + number % 7)
        )
        for k in range(instants)
        for m in range(signals)
    )  # fmt: skip
    return b"\x08" + varint(_T - number) + metrics + b"\x18" + varint((number // N_DEVICES + 1) % 256)


def _hj212(device: int, number: int, n: int) -> bytes:
    items = ";".join(f"m{m}-Rtd={20 + m % 7:.2f},m{m}-Flag=N" for m in range(n))
    data = (
        f"QN=20261121090000{number % 1000:03d};ST=39;CN=2011;PW=123456;MN=d{device:05d};Flag=4;"
        f"CP=&&DataTime=202611210859{number % 60:02d};{items}&&"
    ).encode()
    return b"##%04d%b%04X\r\n" % (len(data), data, crc(data))


def _senml(_device: int, number: int, n: int) -> bytes:
    signals, instants = _instants(n)
    records = [
        f'{{"n":"m{m}","t":{-k},"v":{20 + m + number % 7:.2f}}}'
        for k in range(instants)
        for m in range(signals)
    ]
    head = f'{{"bn":"x:","bt":{_T // 1000 - number},{records[0][1:]}'
    return f"[{','.join([head, *records[1:]])}]".encode()


def _thingsboard(device: int, number: int, n: int) -> bytes:
    signals, instants = _instants(n)
    values = ",".join(f'"m{m}":{20 + m + number % 7:.2f}' for m in range(signals))
    entries = ",".join(f'{{"ts":{_T - number - k},"values":{{{values}}}}}' for k in range(instants))
    return f'{{"d{device:05d}":[{entries}]}}'.encode()


def _flat(_device: int, number: int, n: int) -> bytes:
    return f'{{"ts":{_T - number},{",".join(f"{chr(34)}m{m}{chr(34)}:{20 + m % 7:.2f}" for m in range(n))}}}'.encode()


def _own(pattern: str, device: int) -> str:
    return pattern.format(gateway=f"g{device:05d}", device=f"d{device:05d}")


def _case(name: str, feed: Feed, write: Callable[[int, int, int], bytes], **more: object) -> Case:
    return replace(Case(name, feed, partial(_own, feed.filter), write), **more)  # type: ignore[arg-type]


CASES = {
    case.name: case
    for case in (
        _case("rows", Feed("fs/v1/{gateway}/{device}", "native"), _rows),
        _case("columnar", Feed("fs/v1/{gateway}/{device}", "native"), _columnar),
        _case(
            "sparkplug", Feed("spBv1.0/+/+/{gateway}", "sparkplug"), _sparkplug,
            topic=lambda device: f"spBv1.0/g/NDATA/g{device:05d}", begin=_sparkplug_birth,
        ),
        _case("hj212", Feed("hj212/{gateway}/up", "hj212"), _hj212),
        _case("thingsboard", Feed("v1/gateway/telemetry", "thingsboard"), _thingsboard),
        _case("senml", Feed("senml/{gateway}/{device}", "senml"), _senml),
        _case("mapping", Feed("dtu/{gateway}/{device}", "mapping", "dtu_flat"), _flat),
    )
}  # fmt: skip
# One reading per name: a message of these cannot hold more instants than one.
_ONE_INSTANT = ("hj212", "mapping")


def names() -> list[str]:
    """Return all cases, `FORMAT-READINGS`."""
    return [f"{name}-{n}" for name in CASES for n in SIZES]


def run(chosen: Sequence[str], *, rounds: int = 7) -> Iterator[Result]:
    """Yield a result per case; raises KeyError or ValueError for one that does not exist."""
    for one in chosen:
        name, _, size = one.rpartition("-")
        yield _run(CASES[name], int(size), rounds)


def _run(case: Case, n: int, rounds: int) -> Result:
    n_signals = n if case.name in _ONE_INSTANT else N_SIGNALS
    decoder = Decoder([case.feed], catalog(n_signals))
    if case.begin:
        births = [case.begin(device) for device in range(N_DEVICES)]
        decoder.decode([Message(topic, payload, NOW) for topic, payload in births], NOW)
    messages = [
        Message(case.topic(number % N_DEVICES), case.write(number % N_DEVICES, number, n), NOW)
        for number in range(max(200, N_MESSAGES if n <= 10 else N_MESSAGES * 10 // n))
    ]
    return _timed(f"{case.name}-{n}", n, decoder=decoder, messages=messages, rounds=rounds)


def _timed(name: str, n: int, *, decoder: Decoder, messages: list[Message], rounds: int) -> Result:
    n_readings, best = n * len(messages), float("inf")
    gc.collect()
    gc.disable()  # as the service does
    try:
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            rows = decoder.decode(messages, NOW)
            best = min(best, time.perf_counter() - begin)
            assert len(rows) == n_readings, f"{name}: {len(rows)} of {n_readings}: {rows.rejects[:1]}"
    finally:
        gc.enable()
    n_bytes = sum(len(message.payload) for message in messages)
    return {
        "case": name,
        "readings_per_s": n_readings / best,
        "messages_per_s": len(messages) / best,
        "us_per_message": best / len(messages) * 1e6,
        "bytes_per_reading": n_bytes / n_readings,
    }


def catalog(n_signals: int) -> Catalog:
    """Return a registry of N_DEVICES gateways g00000 … with one device d00000 … each, that has m0, m1 …"""
    gateways = {f"g{i:05d}": Gateway(i + 1, f"g{i:05d}", i + 1) for i in range(N_DEVICES)}
    devices = {
        (f"g{i:05d}", f"d{i:05d}"): Device(
            i + 1,
            f"d{i:05d}",
            i + 1,
            i + 1,
            "other",
            {f"m{m}": 1 + i * n_signals + m for m in range(n_signals)},
        )
        for i in range(N_DEVICES)
    }
    size = 1 + N_DEVICES * n_signals
    owner = np.concatenate([[0], np.repeat(np.arange(1, N_DEVICES + 1), n_signals)]).astype(np.int32)
    active = np.ones(size, np.bool_)
    active[0] = False
    limits = [np.zeros(0)] * 7
    return Catalog(
        "bench", active, owner, owner, owner, np.zeros(size, np.int64), np.full(size, -1e9), np.full(size, 1e9),
        active, ("",) * size, ("",) * size, Limits(*limits),  # type: ignore[arg-type]
        gateways, devices, {code: device for (_gateway, code), device in devices.items()}, {}, (),
    )  # fmt: skip
