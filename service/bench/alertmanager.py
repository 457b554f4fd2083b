"""A peer on the same storm: Alertmanager with the equivalent route, and a receiver in the same bad mood.

    python -m service.bench.alertmanager            the storm of tests/acceptance/test_storm.py: 500 enterprises
    python -m service.bench.alertmanager --kill     with kill -9 and a restart in the middle

As Prometheus does, the sender posts every firing alert again and again (every 6 s, a tenth of a minute).
Officer, principal and inspector are three receivers; alerts are grouped by enterprise and level, red not at all.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from core.errors import FengsuiError
from service.bench.report import machine
from service.embedded.port import free_port

N_ENTERPRISES, N_SERIES = 500, 20
STORM_S, RESEND_S, STALL_S = 60.0, 6.0, 5.0
PROGRAM = "prometheus-alertmanager"
_ROUTE = """
route:
  receiver: officer
  group_by: [enterprise, level]
  group_wait: 6s
  group_interval: 30s
  repeat_interval: 4h
  routes:
    - matchers: [level="red"]
      group_by: ["..."]
      group_wait: 0s
      receiver: officer
      continue: true
    - matchers: [level="red"]
      group_by: ["..."]
      group_wait: 0s
      receiver: principal
      continue: true
    - matchers: [level="red"]
      group_by: ["..."]
      group_wait: 0s
      receiver: inspector
    - matchers: [level="orange"]
      group_wait: 1s
      receiver: officer
      continue: true
    - matchers: [level="orange"]
      group_wait: 1s
      receiver: principal
receivers:
"""


def level_of(k: int) -> str:
    """One series of an enterprise turns red, three orange, sixteen yellow."""
    return "red" if k == 0 else "orange" if k < 4 else "yellow"


@dataclass(slots=True)
class Receiver:
    """Counts what it accepts, per (receiver, alert); in a bad mood for `share` of the requests."""

    share: float = 0.02
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    lock: threading.Lock = field(default_factory=threading.Lock)
    shown: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[str, float] = field(default_factory=dict)
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    moods: Counter[str] = field(default_factory=Counter)
    calm: bool = False

    def take(self, notification: dict[str, Any]) -> str:
        """Return how the request ends: ok, or one of the troubles."""
        with self.lock:
            mood = "ok"
            if not self.calm and self.rng.random() < self.share:
                mood = self.rng.choice(
                    ["errcode", "503", "stalled", "stalled, accepted", "cut", "cut, accepted"]
                )
            self.moods[mood] += 1
            if mood == "ok" or mood.endswith("accepted"):
                self._accept(notification)
            return mood

    def _accept(self, notification: dict[str, Any]) -> None:
        to, now = notification["receiver"], time.time()
        self.messages[to, notification["alerts"][0]["labels"]["enterprise"]] += 1
        for alert in notification["alerts"]:
            self.shown[to, alert["labels"]["id"]] += 1
            self.first.setdefault(alert["labels"]["id"], now)


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """Serve a receiver on loopback; give its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            mood = receiver.take(json.loads(body))
            if mood.startswith("stalled"):
                time.sleep(STALL_S)
            if mood.startswith(("stalled", "cut")):
                self.close_connection = True
                return
            answer = b'{"errcode": 45009}' if mood == "errcode" else b'{"errcode": 0}'
            self.send_response(503 if mood == "503" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass(slots=True)
class Peer:
    """An Alertmanager of our own."""

    folder: Path
    hook: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise FengsuiError(f"{PROGRAM} is not installed: apt-get install {PROGRAM}")
        config = self.folder / "alertmanager.yml"
        receivers = "".join(
            f"  - name: {name}\n    webhook_configs:\n      - url: {self.hook}/{name}\n        send_resolved: false\n"
            for name in ("officer", "principal", "inspector")
        )
        config.write_text(_ROUTE + receivers)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={config}", f"--storage.path={self.folder / 'data'}", "--log.level=error",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def post(self, client: httpx.Client, alerts: list[dict[str, Any]]) -> bool:
        """Hand alerts over; False while nobody listens: they are sent again anyway."""
        with suppress(httpx.TransportError):
            return client.post(f"http://127.0.0.1:{self.port}/api/v2/alerts", json=alerts).is_success
        return False


def alert_of(e: int, k: int, now: float) -> dict[str, Any]:
    """Return one firing alert as Prometheus would post it."""
    labels = {
        "alertname": "LIMIT",
        "id": f"{e}-{k}",
        "enterprise": f"e{e}",
        "level": level_of(k),
        "series": f"s{k}",
    }
    return {"labels": labels, "startsAt": datetime.fromtimestamp(now, UTC).isoformat()}


def storm(peer: Peer, *, kill: bool) -> dict[str, float]:
    """Let the alerts begin over STORM_S, repeat what fires; return when each began, seconds since 1970."""
    plan = [(e, k) for e in range(N_ENTERPRISES) for k in range(N_SERIES)]
    random.Random(5).shuffle(plan)
    firing: list[dict[str, Any]] = []
    began: dict[str, float] = {}
    start, again, killed = time.monotonic(), RESEND_S, not kill
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        while len(firing) < len(plan):
            elapsed = time.monotonic() - start
            upto = min(len(plan), int(len(plan) * elapsed / STORM_S))
            fresh = [alert_of(e, k, time.time()) for e, k in plan[len(firing) : upto]]
            began |= {alert["labels"]["id"]: time.time() for alert in fresh}
            firing += fresh
            if fresh:
                peer.post(client, fresh)
            if elapsed > again:
                again += RESEND_S
                repeat(peer, client, firing)
            if not killed and elapsed > STORM_S / 2:
                peer.kill()
                time.sleep(0.5)
                peer.start()
                killed = True
            time.sleep(0.02)
        for _ in range(10):  # until every group was flushed, and what failed was tried again
            time.sleep(RESEND_S)
            repeat(peer, client, firing)
    return began


def repeat(peer: Peer, client: httpx.Client, firing: list[dict[str, Any]]) -> None:
    for first in range(0, len(firing), 2000):
        peer.post(client, firing[first : first + 2000])


def outcome(receiver: Receiver, began: dict[str, float]) -> dict[str, Any]:
    """Return the figures of one run."""
    reds = [id_ for id_ in began if id_.endswith("-0")]
    delays = [receiver.first[id_] - began[id_] for id_ in reds if id_ in receiver.first]
    wanted = [(to, id_) for id_ in reds for to in ("officer", "principal", "inspector")]
    others = [id_ for id_ in began if not id_.endswith("-0")]
    return {
        "requests": sum(receiver.moods.values()),
        "messages_accepted": sum(receiver.messages.values()),
        "red_s": {
            name: round(float(np.percentile(delays, p)), 2)
            for name, p in (("p50", 50), ("p99", 99), ("max", 100))
        },
        "red_lost": sum(receiver.shown[one] == 0 for one in wanted),
        "red_shown_twice_or_more": sum(receiver.shown[one] > 1 for one in wanted),
        "others_lost": sum(receiver.shown["officer", id_] == 0 for id_ in others),
        "others_shown_twice_or_more": sum(receiver.shown["officer", id_] > 1 for id_ in others),
        "most_messages_to_one_officer": max(
            n for (to, _e), n in receiver.messages.items() if to == "officer"
        ),
        "moods": dict(receiver.moods),
    }


def main() -> None:
    """Run one storm, print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill", action="store_true", help="kill -9 and restart in the middle")
    arguments = parser.parse_args()
    receiver, folder = Receiver(), Path(tempfile.mkdtemp(prefix="alertmanager-"))
    with listening(receiver) as hook:
        peer = Peer(folder, hook)
        peer.start()
        time.sleep(2.0)
        try:
            began = storm(peer, kill=arguments.kill)
        finally:
            peer.kill()
    print(
        json.dumps(
            {"machine": machine(), "kill": arguments.kill, **outcome(receiver, began)}, ensure_ascii=False
        )
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
