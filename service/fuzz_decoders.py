"""Fuzzing of every decoder: python -m service.fuzz_decoders --inputs 1000000.

Seeds are sound messages of every format; an input is a seed after a few random changes of bytes, tokens or JSON
values, or plain noise.  What must hold: no exception leaves a decoder, none is caught as a bug of ours, no input takes
more than 16 MiB, and every reading that comes out is finite.  Inputs that take more than 50 ms here are told apart.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from ingest.columns import Message, Tolerance
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.formats.hj212_frame import crc, crc_modbus
from ingest.formats.mapping_file import load_mapping, shipped
from ingest.open_catalog import OpenCatalog
from service.bench import worst
from service.bench.decode import CASES
from service.bench.worst import LARGEST

NOW = 1_795_222_800_000_000_000
MOST_MS, MOST_BYTES = 50.0, 16 << 20
MOST_TOLD = 100
_TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"true", b"NaN", b"1e999", b"-1", b"0", b"9" * 30, b"\\ud800",
    b"\x00", b"\xff", b"\xfe\xfe", b"&&", b"##", b";", b"=", b"CP=&&", b"DataTime=", b"\x80" * 9, b"\xff" * 10, b"\x9f",
    b"\xbf", b"\xfb", b"\x12", b"\x08", b"\x18", b"\x68", b"\x16", "功".encode(), b" ", b"\r\n",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    "",
    "x",
    [],
    {},
    [[]],
    {"": {}},
    "\ud800",
    2**63,
    -(2**63),
    1.5,
    "1.5",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A format under test: its feed, topics to publish on, sound messages."""

    name: str
    feed: Feed
    topics: Sequence[str]
    seeds: Sequence[bytes]


@dataclass(slots=True)
class Findings:
    """What came out; `failures` and `slow` are (target, what, input as hexadecimal)."""

    inputs: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    largest_bytes: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    slow: list[tuple[str, str, str]] = field(default_factory=list)


def targets() -> list[Target]:
    """Return every format with its seeds."""
    found = [
        Target(name, case.feed, [case.topic(0)], [case.write(0, 1, n) for n in (1, 3, 10)])
        for name, case in CASES.items()
        if name not in ("sparkplug", "mapping")
    ]
    for name in shipped():
        mapping = load_mapping(name)
        seed = mapping.sample["payload"].encode()
        found.append(
            Target(f"mapping {name}", Feed(mapping.topic, "mapping", name), [mapping.sample["topic"]], [seed])
        )
    return found + _sparkplug() + _hj212() + _others() + _frames()


def _sparkplug() -> list[Target]:
    birth = CASES["sparkplug"].begin
    assert birth is not None
    data = [CASES["sparkplug"].write(0, 1, n) for n in (1, 3, 10)]
    topics = [f"spBv1.0/g/{kind}/g00000" for kind in ("NBIRTH", "NDATA", "NDATA", "NDEATH")]
    topics += ["spBv1.0/g/DBIRTH/g00000/d", "spBv1.0/g/DDATA/g00000/d", "spBv1.0/g/DDEATH/g00000/d"]
    return [Target("sparkplug", Feed("spBv1.0/#", "sparkplug"), topics, [birth(0)[1], *data])]


def _hj212() -> list[Target]:
    """Frames whose CRC is made good again after the change are tested, too: see `_repaired`."""
    head = "QN=20261121090000123;ST=39;CN={cn};PW=123456;MN=M1;Flag={flag};{more}CP=&&{cp}&&"
    bodies = [
        head.format(
            cn=2011, flag=5, more="", cp="DataTime=20261121090000;a34013-Rtd=1.5,a34013-Flag=N;LA-Rtd=50"
        ),
        head.format(
            cn=2061, flag=4, more="", cp="DataTime=20261121090000;a34013-Avg=1,a34013-Min=0,a34013-Cou=9"
        ),
        head.format(cn=2051, flag=7, more="PNUM=2;PNO=2;", cp="a34013-Avg=1"),
        head.format(cn=1062, flag=5, more="", cp="RtdInterval=30"),
        head.format(cn=2011, flag=9, more="", cp="00112233445566778899AABBCCDDEEFF"),
    ]
    seeds = [_framed(body.encode()) for body in bodies]
    feed = Feed("hj212/{gateway}/up", "hj212", key="00" * 16)
    return [
        Target("hj212 repaired", feed, ["hj212/g/up"], seeds),
        Target("hj212", feed, ["hj212/g/up"], seeds),
    ]


def _framed(data: bytes) -> bytes:
    return b"##%04d%b%04X\r\n" % (min(len(data), 9999), data, crc(data))


def _others() -> list[Target]:
    tasmota = (
        b'{"Time":"2026-11-21T09:00:00","ENERGY":{"Power":[1,2],"Voltage":230},"AM2301":{"Temperature":20.5}}'
    )
    shelly = (
        b'{"src":"s","method":"NotifyStatus","params":{"ts":1795222800.5,"em:0":{"a_current":1.5,"errors":[]}}}',
        b'{"emeters":[{"power":1,"is_valid":false}],"unixtime":1795222800}', b"52.5", b"on",
    )  # fmt: skip
    neuron = b'{"node":"n","timestamp":1795222800000,"values":{"a":1},"errors":{"b":2},"tags":[{"name":"c","value":1}]}'
    cbor = bytes.fromhex(
        "83a3216178226168006174a2006174021880a3006174fb3ff800000000000006 3b000000000000000a".replace(" ", "")
    )
    device = b'[{"ts":1795222800000,"values":{"a":1}},{"b":2}]'
    return [
        Target("tasmota", Feed("tele/{device}/+", "tasmota"), ["tele/d/SENSOR", "tele/d/LWT"], [tasmota]),
        Target(
            "shelly",
            Feed("shellies/{device}/#", "shelly"),
            ["shellies/d/emeter/0/power", "shellies/d/x"],
            shelly,
        ),
        Target("neuron", Feed("/neuron/{gateway}/upload", "neuron"), ["/neuron/g/upload"], [neuron]),
        Target("senml cbor", Feed("senml/{gateway}", "senml"), ["senml/g"], [cbor]),
        Target(
            "thingsboard device",
            Feed("v1/devices/me/+", "thingsboard"),
            ["v1/devices/me/telemetry"],
            [device],
        ),
    ]


def _frames() -> list[Target]:
    meter = bytes.fromhex("6861010000000068910833333433593333338A16")
    modbus = bytes.fromhex("01030400DC0BB8")
    modbus += crc_modbus(modbus).to_bytes(2, "little")
    return [
        Target("dlt645", Feed("dlt645/{gateway}", "dlt645"), ["dlt645/g"], [meter, meter.hex(" ").encode()]),
        Target("modbus", Feed("modbus/{gateway}/{device}", "modbus"), ["modbus/g/d"], [modbus]),
    ]


# ── changes ───────────────────────────────────────────────────────────────────
def changed(target: Target, rng: random.Random) -> bytes:
    """Return an input made from one of a target's seeds."""
    seed = rng.choice(target.seeds)
    kind = rng.random()
    if kind < 0.04:
        return rng.randbytes(rng.randrange(200))
    if kind < 0.3 and seed[:1] in b"{[":
        return _json_changed(seed, rng)
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _change(data, rng)
    if kind > 0.9985:
        data = (data * (LARGEST // max(1, len(data)) + 1))[:LARGEST]
    found = bytes(data)
    return _repaired(found) if target.name.endswith("repaired") else found


def _change(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    kind = rng.randrange(6)
    if kind == 0 and place < len(data):
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[place : place + rng.randrange(1, 9)]
    elif kind == 2:
        data[place:place] = rng.choice(_TOKENS) * rng.choice((1, 1, 1, 50))
    elif kind == 3 and place < len(data):
        data[place] = rng.randrange(256)
    elif kind == 4:
        part = data[place : place + rng.randrange(1, 64)]
        data[place:place] = part * rng.choice((1, 2, 20))
    else:
        del data[place:]


def _json_changed(seed: bytes, rng: random.Random) -> bytes:
    """Return JSON with one of its values, or keys, replaced."""
    body = json.loads(seed)
    node = body
    while isinstance(node, dict | list) and node:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if rng.random() < 0.4 or not isinstance(node[key], dict | list):
            node[key] = rng.choice(_VALUES)
            if isinstance(node, dict) and rng.random() < 0.2:
                node[str(rng.choice(_VALUES)) + " "] = node.pop(key)
            break
        node = node[key]
    return json.dumps(body).encode()


def _repaired(frame: bytes) -> bytes:
    """Return a changed frame with the length and CRC of what it is now, so that the change gets past them."""
    end = frame.rfind(b"&&") + 2
    return _framed(frame[6:end]) if frame[:2] == b"##" and end > 8 else frame


# ── the run ───────────────────────────────────────────────────────────────────
class Fuzzer:
    """Feeds one decoder per target, which keeps its state from input to input as in the service."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.findings = Findings()
        self.targets = targets()
        self.decoders = [self._decoder(target) for target in self.targets]

    def _decoder(self, target: Target) -> Decoder:
        catalog = OpenCatalog(lenient=self.rng.random() < 0.5).catalog
        age = NOW - 10**18
        return Decoder([target.feed], catalog, tolerance=Tolerance(future=10**18, age=age))

    def run(self, n_inputs: int, *, memory_every: int = 50) -> Findings:
        """Decode n inputs, the targets in turn; the memory of every so many is measured, as that is slow."""
        for number in range(n_inputs):
            which = number % len(self.targets)
            target = self.targets[which]
            data = changed(target, self.rng)
            message = Message(
                self.rng.choice(target.topics), data, NOW + number * 10**6, self.rng.random() < 0.02
            )
            measured = number // len(self.targets) % memory_every == 0 or len(data) > 60_000
            self._try(which, message, measured=measured)
            if number % 1_000 == 0:
                gc.collect()
            if number % 20_000 == 19_999:
                # A registry in which everything exists fills up with the names that were made up.
                self.decoders = [self._decoder(one) for one in self.targets]
        return self.findings

    def _try(self, which: int, message: Message, *, measured: bool) -> None:
        name, decoder, findings = self.targets[which].name, self.decoders[which], self.findings
        findings.inputs[name] += 1
        try:
            begin = time.process_time()
            rows = decoder.decode([message], message.arrived)
            ms = (time.process_time() - begin) * 1e3
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            self._fail(name, f"{type(error).__name__}: {error}", message)
            return
        findings.rows += len(rows)
        findings.rejects.update(str(reject.reason) for reject in rows.rejects)
        if ms > MOST_MS / 2:
            ms = min(ms, *(self._again_ms(decoder, message) for _ in range(3)))
        findings.slowest_ms = max(findings.slowest_ms, ms)
        if ms > MOST_MS and len(findings.slow) < MOST_TOLD:
            findings.slow.append((name, f"{message.topic}: {ms:.0f} ms", message.payload[:2000].hex()))
        if not np.isfinite(rows.value).all():
            self._fail(name, "a value that is not finite", message)
        if any("bug of ours" in reject.detail for reject in rows.rejects):
            self._fail(name, "an exception was caught", message)
        if measured:
            self._measure(which, message)

    def _again_ms(self, decoder: Decoder, message: Message) -> float:
        """Return how long it takes once more: what else ran on the machine is not the input's fault."""
        begin = time.process_time()
        decoder.decode([message], message.arrived)
        return (time.process_time() - begin) * 1e3

    def _measure(self, which: int, message: Message) -> None:
        tracemalloc.start()
        self.decoders[which].decode([message], message.arrived)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.findings.largest_bytes = max(self.findings.largest_bytes, peak)
        if peak > MOST_BYTES:
            self._fail(self.targets[which].name, f"{peak >> 20} MiB", message)

    def _fail(self, name: str, what: str, message: Message) -> None:
        if len(self.findings.failures) < MOST_TOLD:
            self.findings.failures.append((name, f"{message.topic}: {what}", message.payload[:2000].hex()))


def main() -> int:
    """Run, print one JSON object, return 1 when something failed."""
    parser = argparse.ArgumentParser(description="Fuzz every decoder.")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    gc.disable()  # the service freezes what is long-lived; here everything is
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    begin = time.monotonic()
    found = Fuzzer(chosen.seed).run(chosen.inputs)
    result = {
        "inputs": sum(found.inputs.values()), "seed": chosen.seed, "decoders": len(found.inputs),
        "seconds": round(time.monotonic() - begin, 1), "rows": found.rows, "rejects": dict(found.rejects.most_common()),
        "slowest_ms": round(found.slowest_ms, 2), "largest_mib": round(found.largest_bytes / 2**20, 2),
        "failures": found.failures, "slow": found.slow, "worst_messages_ms": {
            name: row["ms"] for name in worst.MESSAGES for row in worst.run([name])
        },
    }  # fmt: skip
    print(json.dumps(result, ensure_ascii=False, indent=1))
    return 1 if found.failures or found.slow else 0


if __name__ == "__main__":
    sys.exit(main())
