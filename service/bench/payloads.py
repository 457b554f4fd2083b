"""What the load generator publishes: packets made before the clock starts, in the shapes of docs/wire.md."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from core.time import MS

N_METRICS = 10
Encode = Callable[[list[int], float], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """A case of the benchmark: how many readings a message holds, and in which form."""

    case: str
    n_metrics: int
    n_times: int
    encode: Encode

    @property
    def n_readings(self) -> int:
        return self.n_metrics * self.n_times


def _rows(n_metrics: int) -> Encode:
    def encode(times_ms: list[int], value: float) -> bytes:
        rows = (
            f'{{"m":"m{metric}","ts":{ts},"v":{value + metric:.2f}}}'
            for ts in times_ms
            for metric in range(n_metrics)
        )
        return f'{{"readings":[{",".join(rows)}]}}'.encode()

    return encode


def _point(times_ms: list[int], value: float) -> bytes:
    return f'{{"m":"m0","ts":{times_ms[0]},"v":{value:.2f}}}'.encode()


def _columnar(times_ms: list[int], value: float) -> bytes:
    t0 = times_ms[0]
    column = ",".join(f"{value + step:.2f}" for step in range(len(times_ms)))
    series = ",".join(f'"m{metric}":[{column}]' for metric in range(N_METRICS))
    return f'{{"t0":{t0},"dt":{[ts - t0 for ts in times_ms]},"series":{{{series}}}}}'.replace(
        " ", ""
    ).encode()


SHAPES = {
    shape.case: shape
    for shape in (
        Shape("rows-1", 1, 1, _point),
        Shape("rows-3", 3, 1, _rows(3)),
        Shape("rows-10", 10, 1, _rows(10)),
        Shape("rows-50", 10, 5, _rows(10)),
        Shape("columnar-50", 10, 5, _columnar),
    )
}


@dataclass(frozen=True, slots=True)
class Load:
    """Which messages one benchmark run publishes.

    n_messages      in all, round robin over n_devices
    start_ns        event time of message 0; message i is stamped, and in open loop due, i/rate_per_s later
    rate_per_s      messages per second that the stamps advance by
    spike_every     every so many messages a value is over the limit (0: never); the next one is not
    """

    shape: Shape
    n_messages: int
    n_devices: int
    start_ns: int
    rate_per_s: float
    spike_every: int = 0

    def stamps_ms(self, i: int) -> list[int]:
        """Return the event times of message i: its due time last, the earlier ones a millisecond apart."""
        due_ms = (self.start_ns + int(i / self.rate_per_s * 1e9)) // MS
        return [due_ms - back for back in range(self.shape.n_times - 1, -1, -1)]

    def packet(self, i: int, packet_id: int) -> bytes:
        """Return the whole MQTT 3.1.1 PUBLISH packet (QoS 1) of message i."""
        device = i % self.n_devices
        value = 20.0 + (i // self.n_devices) % 7
        if self.spike_every and i % self.spike_every == 0:
            value = 500.0
        topic = f"fs/v1/{bench_gateway(device)}/{bench_device(device)}".encode()
        body = (
            struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id)
            + self.shape.encode(self.stamps_ms(i), value)
        )  # fmt: skip
        return b"\x32" + _remaining_length(len(body)) + body


def _remaining_length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, digit = divmod(n, 128)
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


DEVICES_PER_GATEWAY = 20


def bench_gateway(device: int) -> str:
    return f"bg{device // DEVICES_PER_GATEWAY:04d}"


def bench_device(device: int) -> str:
    return f"bd{device:05d}"
