"""`fengsui bench fairness`: what the others notice when one gateway floods.

Two runs of the same load of all gateways at a steady rate: alone, and beside one that sends ten times its budget.
Told is the time from when a reading of another gateway was due to its commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import FengsuiError
from core.time import SECOND, clock_ns
from service.bench.ingest import N_LANES, Bench, Plan, service
from service.bench.payloads import DEVICES_PER_GATEWAY, Load, bench_gateway
from service.bench.process import Child
from service.bench.publisher import Bounds
from service.bench.report import Result

CASE = "rows-3"
LEAD_S = 3.0
NOISY = bench_gateway(0)
_LATENCY = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY
    1000 * extract(epoch FROM pg_xact_commit_timestamp(x.xmin) - x.time)::float8)
FROM sample x JOIN registry_series s ON s.id = x.series_id JOIN registry_device d ON d.id = s.device_id
JOIN registry_gateway g ON g.id = d.gateway_id
WHERE s.signal = 'm0' AND g.code <> %s
"""
_LEDGER = """SELECT l.received, l.stored + l.duplicate, l.rejected FROM ledger l
    JOIN registry_gateway g ON g.id = l.gateway WHERE g.code = %s"""


@dataclass(frozen=True, slots=True)
class Flood:
    """How loud it gets.

    rate_per_s : messages of all gateways together
    budget_per_s, times : of the noisy gateway, and how often it sends that
    """

    seconds: float = 10.0
    rate_per_s: float = 1_000.0
    budget_per_s: float = 200.0
    times: float = 10.0
    n_devices: int = 1_000


def run(flood: Flood) -> list[Result]:
    """Return the quiet run, the loud one, and how much longer the others waited in it."""
    quiet, loud = measure(flood, noise=False), measure(flood, noise=True)
    loud["p99_to_quiet"] = round(loud["commit_p99_ms"] / quiet["commit_p99_ms"], 2)
    return [quiet, loud]


def measure(flood: Flood, *, noise: bool) -> Result:
    """Return latencies of the others, and what became of the noisy gateway's messages."""
    with _budgets(flood), service(Plan(n_devices=flood.n_devices), database=True) as bench:
        start_ns = clock_ns() + int(LEAD_S * SECOND)
        n = int(flood.rate_per_s * flood.seconds)
        loads = [bench.load(CASE, n, rate_per_s=flood.rate_per_s, start_ns=start_ns)]
        if noise:
            rate = flood.budget_per_s * flood.times
            n_noise = int(rate * flood.seconds)
            loads.append(Load(loads[0].shape, n_noise, DEVICES_PER_GATEWAY, start_ns, rate))
        _publish(bench, loads, deadline_s=flood.seconds * 4)
        return {"case": "flood" if noise else "quiet"} | _found(bench)


@contextmanager
def _budgets(flood: Flood) -> Iterator[None]:
    """Have the pipeline give each gateway this budget; one second of it may come at once."""
    told = {
        "FENGSUI_INGEST__GATEWAY_MESSAGES_PER_S": str(flood.budget_per_s), "FENGSUI_INGEST__GATEWAY_BURST_S": "1",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update(told)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _publish(bench: Bench, loads: list[Load], *, deadline_s: float) -> None:
    """Publish all loads at once, each from a process of its own; return when all is committed."""
    bounds = asdict(Bounds(open_loop=True, window=5_000, deadline_s=deadline_s))
    publishers = []
    try:
        for number, load in enumerate(loads):
            spec = {
                "host": bench.nats.host, "port": bench.nats.port, "n_lanes": N_LANES,
                "load": asdict(load) | {"shape": load.shape.case}, "bounds": bounds,
            }  # fmt: skip
            log = bench.folder / f"publisher-{number}.log"
            words = ["-m", "service.bench.publisher", json.dumps(spec)]
            publishers.append(Child("publisher", words, log=log, pipes=True))
        for publisher in publishers:
            publisher.line()
        if clock_ns() > loads[0].start_ns:
            raise FengsuiError("the load was not ready in time. Ask for less, or on a quieter machine")
        for publisher in publishers:
            publisher.go()
        n = sum(int(publisher.line()["messages"]) for publisher in publishers)
        bench._await_committed(n)  # noqa: SLF001 - the same bench
    finally:
        for publisher in publishers:
            publisher.stop()


def _found(bench: Bench) -> Result:
    with bench._connect() as connection:  # noqa: SLF001
        latency: Any = connection.execute(_LATENCY, [NOISY]).fetchone()
        noisy: Any = connection.execute(_LEDGER, [NOISY]).fetchone()
    received, kept, rejected = (int(n) for n in noisy)
    if received != kept + rejected:
        raise FengsuiError(
            f"the ledger of {NOISY} does not hold: {received} received, {kept} kept, {rejected} rejected"
        )
    p50, p99 = latency[0]
    return {
        "commit_p50_ms": round(p50, 1), "commit_p99_ms": round(p99, 1),
        "noisy_readings_kept": kept, "noisy_messages_rejected": rejected,
    }  # fmt: skip
