"""`fengsui bench notify`: from a reading's publication to the arrival of a red note at its provider's server.

Open loop: readings are published on schedule at a fixed rate, ten a second of them over a red limit; the far end
is a webhook of ours that notes when what arrived.  Broker, pipeline, database and notifier are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.time import SECOND, clock_ns
from service.bench import ingest
from service.bench.payloads import SHAPES
from service.bench.publisher import Bounds
from service.bench.report import Result

CASE = "rows-3"
REDS_PER_S = 10
_LEAD_S = 5.0  # packets are encoded meanwhile


@dataclass(frozen=True, slots=True)
class Plan:
    """The background load, for how long, over how many devices of ten series."""

    readings_per_s: int = 5_000
    seconds: float = 30.0
    n_devices: int = 10_000


def run(plan: Plan) -> Result:
    """Return the latencies of one run.  Raises FengsuiError when readings or alerts are missing."""
    messages_per_s = plan.readings_per_s / SHAPES[CASE].n_readings
    n_messages = int(messages_per_s * plan.seconds)
    with ingest.service(ingest.Plan((CASE,), plan.seconds, plan.n_devices), database=True) as bench:
        load = bench.load(
            CASE,
            n_messages,
            rate_per_s=messages_per_s,
            start_ns=clock_ns() + int(_LEAD_S * SECOND),
            spike_every=max(1, round(messages_per_s / REDS_PER_S)),
        )
        published, took_s = bench.publish(
            load, Bounds(open_loop=True, window=5_000, deadline_s=plan.seconds * 3)
        )
        bench.check()
        return (
            {
                "case": f"{plan.readings_per_s} readings/s",
                "readings": round(published["readings"]),
                "seconds": round(took_s, 1),
            }
            | bench.commit_latency()
            | bench.notify_latency()
        )
