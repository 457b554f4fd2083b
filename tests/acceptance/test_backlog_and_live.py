"""A day's backlog of a hundred gateways comes in while live data flows: the present is not kept waiting, nobody is paged."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import psycopg
import pytest
from acceptance.backlog_sender import LIMIT, backlog, times
from acceptance.whole_service import WholeService, wait_for
from fakes.webhook import FakeWebhook

N_BACKLOG, N_LIVE = 100, 10
SIGNALS = tuple(LIMIT)
SENDER = Path(__file__).with_name("backlog_sender.py")
LIVE_HZ = 5
CONFIG = "[checkpoint]\ninterval_s = 5.0"


def town():
    lines = [
        '[[area]]\ncode = "c"\nname = "县"\nlevel = "county"',
        '[[enterprise]]\ncode = "e"\nname = "企业"\narea = "c"',
        '[[contact]]\ncode = "so"\nname = "so"\nrole = "safety_officer"\nenterprise = "e"\naddresses = { webhook = "" }',
    ]
    series = ",\n".join(
        f'{{ signal = "{signal}", period_s = 60, limits = [{{ level = "red", high = {LIMIT[signal]}, deadband = 1 }}] }}'
        for signal in SIGNALS
    )
    for code in gateways():
        lines.append(f'[[gateway]]\ncode = "{code}"\nenterprise = "e"')
        lines.append(
            f'[[device]]\ngateway = "{code}"\ncode = "d"\nname = "{code}"\nprofile = "dry_dust_collector"\nseries = [{series}]'
        )
    return "\n".join(lines)


def gateways():
    return [f"b{n}" for n in range(N_BACKLOG)] + [f"l{n}" for n in range(N_LIVE)]


def client(name, port):
    one = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311)
    one.max_queued_messages_set(0)
    one.connect("127.0.0.1", port, keepalive=30)
    one.loop_start()
    return one


class Live:
    """Publishes the present of a few gateways, five times a second, and when each sample was committed."""

    def __init__(self, service):
        self.service, self.ending = service, threading.Event()
        self.sent, self.delays = {}, []
        self.threads = [threading.Thread(target=part) for part in (self._publish, self._watch)]

    def __enter__(self):
        self.keys = [
            row[0]
            for row in self.service.rows(
                "SELECT s.id FROM registry_series s JOIN registry_device d ON d.id = s.device_id "
                "JOIN registry_gateway g ON g.id = d.gateway_id WHERE g.code LIKE 'l%%' AND s.signal = %s", SIGNALS[0],
            )
        ]  # fmt: skip
        assert len(self.keys) == N_LIVE
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)

    def _publish(self):
        one = client("live", self.service.broker.port)
        while not self.ending.wait(1 / LIVE_HZ):
            ms = time.time_ns() // 10**6
            self.sent[ms] = time.monotonic()
            for n in range(N_LIVE):
                rows = [{"m": signal, "ts": ms, "v": LIMIT[signal] * 0.5} for signal in SIGNALS]
                one.publish(f"fs/v1/l{n}/d", json.dumps({"readings": rows}), qos=1)
        one.disconnect()
        one.loop_stop()

    def _watch(self):
        """Ask for the oldest of the newest samples: when it moves on, all gateways' samples up to it are durable."""
        sql = (
            "SELECT (extract(epoch FROM min(t)) * 1000)::bigint FROM unnest(%s::int[]) k CROSS JOIN LATERAL "
            "(SELECT max(time) AS t FROM sample WHERE series_id = k AND time > now() - interval '5 minutes') m"
        )
        with psycopg.connect(self.service.dsn, autocommit=True) as connection:
            while not self.ending.is_set():
                newest = connection.execute(sql, (self.keys,)).fetchone()[0]
                now = time.monotonic()
                for ms in [ms for ms in list(self.sent) if newest is not None and ms <= newest]:
                    self.delays.append(now - self.sent.pop(ms))
                time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_days_backlog_of_a_hundred_gateways_keeps_nobody_waiting_and_pages_nobody(
    tmp_path, record_property
):
    now_s = time.time_ns() // 10**9
    n_hours = len(list(backlog(now_s)))
    n_readings = N_BACKLOG * len(SIGNALS) * len(times(now_s))
    with FakeWebhook() as hook:
        service = WholeService(tmp_path / "service", town=town(), hook=hook.url, config=CONFIG)
        try:
            with Live(service) as live:
                wait_for(lambda: len(live.delays) > 20, 60)
                calm = np.array(live.delays)
                live.delays.clear()
                began = time.monotonic()
                sender = subprocess.Popen(
                    [sys.executable, str(SENDER), *map(str, (service.broker.port, N_BACKLOG, now_s))]
                )
                stored = (
                    "SELECT coalesce(sum(l.stored), 0) FROM ledger l JOIN registry_gateway g ON g.id = l.gateway "
                    "WHERE g.code LIKE 'b%%'"
                )
                wait_for(
                    lambda: service.one(stored) >= n_readings,
                    180,
                    lambda: service.log("pipeline"),
                    pause_s=0.2,
                )
                took_s = time.monotonic() - began
                busy = np.array(live.delays)
                assert sender.wait(60) == 0
            figures = [round(float(np.percentile(delays, q)), 3) for delays in (calm, busy) for q in (50, 99)]
            record_property("live p50, p99 to commit, calm and during the backlog, s", figures)
            record_property("backlog", f"{n_readings} readings in {took_s:.1f} s")
            # Live samples became durable while the backlog was still arriving; how soon is in docs/benchmarks.md.
            assert len(busy) > LIVE_HZ
            assert service.one("SELECT count(*) FROM finding") >= N_BACKLOG * len(SIGNALS) * (n_hours - 1)
            assert service.one("SELECT count(*) FROM outbox") == 0
            assert service.one("SELECT count(*) FROM alert WHERE NOT data_quality") == 0
            assert service.one("SELECT count(*) FROM reject") == 0
            assert not hook.keys
        finally:
            service.close()
