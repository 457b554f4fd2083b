"""Load generator: a few raw MQTT connections, packets encoded before the clock starts.

Run as a process of its own (`python -m service.bench.publisher`): it takes no GIL from what it measures.
Prints one JSON line when the packets are ready, waits for a line on standard input, publishes, and prints
one more when all are PUBACKed.
Bounded: it stops after n_messages or deadline_s, whichever comes first.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
import urllib.request
from array import array
from dataclasses import dataclass, field

from service.bench.payloads import SHAPES, Load

PUBACK_BYTES = 4
# How often the pipeline is asked how far it is: answering costs it a millisecond, and it is `ahead` that bounds.
ASK_S = 0.05


@dataclass(slots=True)
class Lane:
    """One connection with its share of the packets: `ends[k]` is where packet k ends in `data`."""

    sock: socket.socket
    data: memoryview
    ends: array[int]
    sent: int = 0  # packets handed to the socket
    offset: int = 0  # bytes handed to the socket
    acked_bytes: int = 0
    acked: int = field(default=0)

    def push(self, upto: int) -> None:
        """Send packets up to index `upto`, as far as the socket takes them."""
        end = self.ends[upto - 1] if upto else 0
        while self.offset < end:
            try:
                self.offset += self.sock.send(self.data[self.offset : min(end, self.offset + 262_144)])
            except BlockingIOError:
                break
        while self.sent < upto and self.ends[self.sent] <= self.offset:
            self.sent += 1

    def pull(self) -> None:
        """Count PUBACKs: nothing else comes back on these connections."""
        received = self.sock.recv(65_536)
        if not received:
            raise ConnectionError("the broker closed the connection")
        self.acked_bytes += len(received)
        self.acked = self.acked_bytes // PUBACK_BYTES


def connect(host: str, port: int, client_id: str) -> socket.socket:
    """Return a connected MQTT 3.1.1 session without keep-alive, non-blocking."""
    sock = socket.create_connection((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(client_id).to_bytes(2, "big") + client_id.encode()
    sock.sendall(b"\x10" + bytes([len(body)]) + body)
    connack = sock.recv(4)
    if connack[3] != 0:
        raise ConnectionError(f"the broker refused the connection, code {connack[3]}")
    sock.setblocking(False)
    return sock


def lanes_of(load: Load, *, host: str, port: int, n_lanes: int) -> list[Lane]:
    """Connect and encode: device d always uses lane d % n_lanes, so that its readings stay in order."""
    lanes = []
    for number in range(n_lanes):
        data, ends, packet_id = bytearray(), array("q"), 0
        for i in range(number, load.n_messages, n_lanes):
            packet_id = packet_id % 65_000 + 1
            data += load.packet(i, packet_id)
            ends.append(len(data))
        lanes.append(Lane(connect(host, port, f"bench-{os.getpid()}-{number}"), memoryview(data), ends))
    return lanes


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds the publisher back.

    window           PUBACKs outstanding per connection
    ahead            messages published but not yet committed (closed loop), 0 = no such bound
    progress_url     where the pipeline tells how many readings it has committed
    committed_before what it had committed before this load
    open_loop        publish on schedule, however far behind the service is
    """

    window: int = 200
    ahead: int = 20_000
    progress_url: str = ""
    committed_before: int = 0
    open_loop: bool = False
    deadline_s: float = 60.0


class Publisher:
    """Publishes one Load over its lanes within its bounds."""

    def __init__(self, load: Load, lanes: list[Lane], bounds: Bounds) -> None:
        self.load, self.lanes, self.bounds = load, lanes, bounds
        self._committed, self._asked_s = 0, 0.0
        self._selector = selectors.DefaultSelector()
        for lane in lanes:
            self._selector.register(lane.sock, selectors.EVENT_READ, lane)

    def run(self) -> dict[str, float]:
        """Publish all and return {messages, readings, seconds, cpu_s}."""
        start, cpu_before_s = time.perf_counter(), time.process_time()
        while (done := sum(lane.acked for lane in self.lanes)) < self.load.n_messages:
            if time.perf_counter() - start > self.bounds.deadline_s:
                break
            self._push(self._allowed(done))
            for key, _ in self._selector.select(timeout=0.002):
                key.data.pull()
        took_s = time.perf_counter() - start
        return {
            "messages": done, "readings": done * self.load.shape.n_readings, "seconds": took_s,
            "cpu_s": time.process_time() - cpu_before_s,
        }  # fmt: skip

    def _push(self, allowed: int) -> None:
        share = -(-allowed // len(self.lanes))
        for lane in self.lanes:
            upto = min(len(lane.ends), share, lane.acked + self.bounds.window)
            if upto > lane.sent:
                lane.push(upto)

    def _allowed(self, published: int) -> int:
        """How many messages may have been published by now."""
        if self.bounds.open_loop:
            return max(0, int((time.time_ns() - self.load.start_ns) / 1e9 * self.load.rate_per_s))
        if not self.bounds.ahead:
            return self.load.n_messages
        if (
            published > self._committed + self.bounds.ahead // 2
            and time.perf_counter() - self._asked_s > ASK_S
        ):
            self._asked_s = time.perf_counter()
            with urllib.request.urlopen(self.bounds.progress_url, timeout=5) as answer:  # noqa: S310 - loopback
                committed = json.load(answer)["messages_committed"]
            self._committed = committed - self.bounds.committed_before
        return self._committed + self.bounds.ahead


def main() -> None:
    """Read one JSON object from the command line, get ready, wait for the word, publish, report."""
    spec = json.loads(sys.argv[1])
    spec["load"]["shape"] = SHAPES[spec["load"]["shape"]]
    load, bounds = Load(**spec["load"]), Bounds(**spec["bounds"])
    lanes = lanes_of(load, host=spec["host"], port=spec["port"], n_lanes=spec["n_lanes"])
    print(json.dumps({"ready": True, "bytes": sum(len(lane.data) for lane in lanes)}), flush=True)
    sys.stdin.readline()
    print(json.dumps(Publisher(load, lanes, bounds).run()), flush=True)


if __name__ == "__main__":
    main()
