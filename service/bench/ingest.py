"""`fengsui bench ingest`: the whole path on one machine, from a publisher's socket to commit and webhook.

Per case two runs against fresh servers: closed loop (published minus committed is bounded, so the rate is one
that is sustained), then open loop at half that rate for the latencies.  A commit's moment is PostgreSQL's own
(`track_commit_timestamp`), a reading's moment is the time at which it was due to be published.

Before each run the servers are brought to where a service is that has run for a while: PostgreSQL has log files to
write to again (a new server fills each with zeros first), and every device has sent once.  What other processes of
the machine take meanwhile is told with the result.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from core.errors import FengsuiError
from core.time import SECOND, clock_ns
from service.bench import town
from service.bench.payloads import SHAPES, Load
from service.bench.process import Child, busy_s, children_of, cpu_s, get_json, peak_rss_mib, wait_until
from service.bench.publisher import Bounds
from service.bench.report import Result
from service.bench.sink import Sink
from service.embedded.nats import Nats
from service.embedded.port import free_port
from service.embedded.postgres import DATABASE, SUPERUSER, Postgres

# Messages per second to stamp and size the runs by; what is measured may differ from it by any factor.
GUESS = {"rows-1": 30_000, "rows-3": 30_000, "rows-10": 20_000, "rows-50": 8_000, "columnar-50": 10_000}
N_LANES = 8
# The stamps of what devices send before the clock starts: so long before it, over so long.
WARM_S = 5
# As much log as a run writes, and more.
_WRITE_LOG = (
    "SELECT pg_logical_emit_message(false, 'bench', repeat('x', 16000000)) FROM generate_series(1, 40)"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how wide to measure."""

    cases: Sequence[str] = tuple(SHAPES)
    seconds: float = 8.0
    n_devices: int = 10_000
    with_database: bool = True


def run(plan: Plan) -> Iterator[Result]:
    """Yield one result per case; `rows-3` also without a database, for the ratio."""
    for case in plan.cases:
        if case not in SHAPES:
            raise FengsuiError(f"no case {case!r}: take some of {', '.join(SHAPES)}")
        result = measure(case, plan)
        if case == "rows-3":
            bare = closed_loop(case, plan, database=False)
            result["without_database_readings_per_s"] = bare["readings_per_s"]
            result["ratio_to_without_database"] = round(result["readings_per_s"] / bare["readings_per_s"], 3)
        yield result


def measure(case: str, plan: Plan) -> Result:
    """Return throughput, then latencies at half of it, as one result."""
    result = closed_loop(case, plan, database=True)
    result |= open_loop(case, plan, messages_per_s=result["messages_per_s"] / 2)
    return result


def closed_loop(case: str, plan: Plan, *, database: bool) -> Result:
    """Publish as fast as the service commits."""
    with service(plan, database=database) as bench:
        bench.warm_up(case)
        n_messages = int(GUESS[case] * plan.seconds)
        load = bench.load(case, n_messages, rate_per_s=GUESS[case], start_ns=clock_ns())
        before = bench.cpu()
        published, took_s = bench.publish(load, Bounds(progress_url=bench.status_url))
        used = {name: s - before[name] for name, s in bench.cpu().items()} | {"publisher": published["cpu_s"]}
        result: Result = {
            "case": case,
            "readings_per_s": round(published["readings"] / took_s),
            "messages_per_s": round(published["messages"] / took_s),
            "seconds": round(took_s, 2),
            "other_processes_cores": others_cores(used, published, took_s),
        }
        if database:
            result |= bench.resources(used, published["messages"])
            bench.check()
        return result


def open_loop(case: str, plan: Plan, *, messages_per_s: float) -> Result:
    """Publish on schedule at half the sustained rate, with some readings over their limit."""
    with service(plan, database=True) as bench:
        bench.warm_up(case)
        n_messages = int(messages_per_s * plan.seconds)
        lead_s = 3 + n_messages * SHAPES[case].n_readings / 400_000  # packets are encoded meanwhile
        load = bench.load(
            case, n_messages, rate_per_s=messages_per_s, start_ns=clock_ns() + int(lead_s * SECOND),
            spike_every=spikes(int(messages_per_s / 10), plan.n_devices),
        )  # fmt: skip
        before = bench.cpu()
        published, took_s = bench.publish(
            load, Bounds(open_loop=True, window=5_000, deadline_s=plan.seconds * 3)
        )
        used = {name: s - before[name] for name, s in bench.cpu().items()} | {"publisher": published["cpu_s"]}
        bench.check()
        return (
            {
                "half_load_messages_per_s": round(messages_per_s),
                "half_load_other_processes_cores": others_cores(used, published, took_s),
            }
            | bench.commit_latency(since_ns=load.start_ns)
            | bench.notify_latency()
        )


def spikes(wanted: int, n_devices: int) -> int:
    """Return about so many messages from one spike to the next that every device has its turn: each raises once."""
    return next(n for n in count(max(1, wanted)) if gcd(n, n_devices) == 1)


def others_cores(used: dict[str, float], published: dict[str, float], took_s: float) -> float:
    """Return how many cores processes that are not ours took meanwhile."""
    return round(max(0.0, published["busy_s"] - sum(used.values())) / took_s, 2)


@dataclass(slots=True)
class Bench:
    """Servers and processes of one run."""

    folder: Path
    n_devices: int
    nats: Nats
    postgres: Postgres
    children: dict[str, Child]
    sink: Sink
    status_url: str
    n_messages: int = 0  # published so far
    n_readings: int = 0

    def warm_up(self, case: str) -> None:
        """Have every device send once before the clock starts."""
        start_ns = clock_ns() - 2 * WARM_S * SECOND
        load = self.load(case, self.n_devices, rate_per_s=self.n_devices / WARM_S, start_ns=start_ns)
        self.publish(load, Bounds())

    def load(self, case: str, n: int, *, rate_per_s: float, start_ns: int, spike_every: int = 0) -> Load:
        return Load(SHAPES[case], n, self.n_devices, start_ns, rate_per_s, spike_every)

    def publish(self, load: Load, bounds: Bounds) -> tuple[dict[str, float], float]:
        """Publish, wait until all is committed; return what was (and busy_s of all cores), and the seconds."""
        bounds = replace(bounds, committed_before=self.n_messages)
        spec = {
            "host": self.nats.host, "port": self.nats.port, "n_lanes": N_LANES,
            "load": asdict(load) | {"shape": load.shape.case}, "bounds": asdict(bounds),
        }  # fmt: skip
        log = self.folder / "publisher.log"
        publisher = Child(
            "publisher", ["-m", "service.bench.publisher", json.dumps(spec)], log=log, pipes=True
        )
        try:
            publisher.line()
            start, busy_before_s = time.perf_counter(), busy_s()
            publisher.go()
            published = publisher.line()
            self.n_messages += int(published["messages"])
            self.n_readings += int(published["readings"])
            self._await_committed(self.n_messages)
            took_s = time.perf_counter() - start
            return published | {"busy_s": busy_s() - busy_before_s}, took_s
        finally:
            publisher.stop()

    def _await_committed(self, n_messages: int) -> None:
        deadline = time.monotonic() + 60
        while get_json(self.status_url)["messages_committed"] < n_messages:
            if time.monotonic() > deadline:
                raise FengsuiError(
                    f"not all of {n_messages} messages were committed; look into {self.folder}"
                )
            time.sleep(0.05)  # each question costs the pipeline a millisecond or two

    def check(self) -> None:
        """Stop with an error unless every reading is stored exactly once."""
        stored = self._one("SELECT count(*) FROM sample")
        if stored != self.n_readings:
            raise FengsuiError(f"{stored:.0f} readings are stored of {self.n_readings} published")

    def cpu(self) -> dict[str, float]:
        """Return the seconds used by each of our processes; postgres_backend is the one that commits."""
        pids = self._pids()
        others = {self.postgres.pid, *children_of(self.postgres.pid)} - {pids.get("postgres_backend")}
        used = {name: cpu_s(pid) for name, pid in pids.items()}
        return used | {
            "bench": time.process_time(),
            "postgres_rest": sum(cpu_s(pid) for pid in others if pid),
        }

    def resources(self, used: dict[str, float], n_messages: float) -> Result:
        """Return CPU per message and peak memory, per process."""
        cpu = {f"{name}_cpu_us_per_message": round(1e6 * s / n_messages, 1) for name, s in used.items()}
        rss = {f"{name}_peak_rss_mib": peak_rss_mib(pid) for name, pid in self._pids().items()}
        return cpu | rss

    def _pids(self) -> dict[str, int]:
        pids = {name: child.pid for name, child in self.children.items()} | {"nats": self.nats.pid}
        if "pipeline" in self.children:
            pids["postgres_backend"] = int(
                self._one("SELECT pid FROM pg_stat_activity WHERE application_name = 'fengsui-pipeline'")
            )
        return pids

    def commit_latency(self, *, since_ns: int = 0) -> Result:
        """From when a reading was due to the moment of its commit, every reading of m0 due at `since_ns` or later."""
        p50, p99 = self._row(
            f"""SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY
                1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin) - time)::float8)
            FROM sample WHERE series_id IN (SELECT id FROM registry_series WHERE signal = 'm0')
            AND time >= timestamptz 'epoch' + {since_ns // 1000} * interval '1 microsecond'"""  # noqa: S608 - a number
        )[0]
        return {"commit_p50_ms": round(p50, 1), "commit_p99_ms": round(p99, 1)}

    def notify_latency(self) -> Result:
        """From when the reading over the limit was due to the webhook's receipt, per raising."""
        self._await_notes()
        with self._connect() as connection:
            raised = connection.execute(
                """SELECT alert || ':raise-' || row_number() OVER (PARTITION BY alert ORDER BY seq), t_ns
                FROM transition WHERE cause IN ('open', 'raise')"""
            ).fetchall()
        at = {":".join(key.split(":")[:2]): ns for key, ns in self.sink.arrivals.items()}
        delays_ms = [(at[step] - t_ns) / 1e6 for step, t_ns in raised if step in at]
        if not delays_ms:
            raise FengsuiError("no alert was notified; look into the logs of the run")
        p50, p99 = np.percentile(delays_ms, [50, 99])
        return {
            "n_notified": len(delays_ms),
            "notify_p50_ms": round(float(p50), 1),
            "notify_p99_ms": round(float(p99), 1),
        }

    def _await_notes(self) -> None:
        deadline = time.monotonic() + 30
        while self._one("SELECT count(*) FROM outbox WHERE state <> 'sent'") and time.monotonic() < deadline:
            time.sleep(0.05)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.postgres.dsn(DATABASE), autocommit=True)

    def _row(self, sql: str) -> Any:
        with self._connect() as connection:
            return connection.execute(sql).fetchone() or (0,)

    def _one(self, sql: str) -> float:
        return float(self._row(sql)[0])


@contextmanager
def service(plan: Plan, *, database: bool) -> Iterator[Bench]:
    """Run broker, database, pipeline and notifier in a folder that goes when all went well."""
    folder = Path(tempfile.mkdtemp(prefix="fengsui-bench-"))
    with ExitStack() as stack:
        nats = Nats(folder / "nats", port=free_port())
        postgres = Postgres(folder / "postgres", settings={"track_commit_timestamp": "on"})
        sink = Sink()
        for end in (postgres.stop, nats.stop, sink.close):
            stack.callback(end)
        nats.start()
        postgres.start()
        config, status = _config(folder, nats=nats, dsn=postgres.dsn(DATABASE), hook=sink.url)
        subprocess.run(
            [sys.executable, "-m", "service.cli", "migrate", "--config", str(config)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        town.build(postgres.dsn(DATABASE), n_devices=plan.n_devices)
        with psycopg.connect(postgres.dsn(DATABASE, user=SUPERUSER), autocommit=True) as connection:
            connection.execute(_WRITE_LOG)
            connection.execute("CHECKPOINT")
        children = {}
        for name in ("pipeline", "notifier") if database else ("without_database",):
            arguments = ["-m", "service.cli", "run", name, "--config", str(config)]
            if not database:
                arguments = ["-m", "service.bench.without_database", str(config)]
            children[name] = Child(name, arguments, log=folder / f"{name}.log")
            stack.callback(children[name].stop)
        wait_until(f"{status}/readyz", of=next(iter(children.values())))
        yield Bench(folder, plan.n_devices, nats, postgres, children, sink, f"{status}/status")
    shutil.rmtree(folder, ignore_errors=True)


def _config(folder: Path, *, nats: Nats, dsn: str, hook: str) -> tuple[Path, str]:
    port = free_port()
    path = folder / "fengsui.toml"
    path.write_text(f"""\
[mqtt]
port = {nats.port}
[[sources]]
filter = "fs/v1/+/+"
format = "native"
[database]
dsn = {json.dumps(dsn)}
[channels.webhook]
kind = "webhook"
url = "{hook}"
per_minute = 100000
[metrics]
pipeline_port = {port}
notifier_port = {free_port(taken={port})}
""")
    return path, f"http://127.0.0.1:{port}"
