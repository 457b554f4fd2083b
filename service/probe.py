"""The small HTTP face of a process: /healthz, /readyz, /metrics, /status; loopback unless configured."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass(frozen=True, slots=True)
class Probe:
    """What a process answers about itself.

    ready   returns "" when the process does its work, else what it waits for
    status  returns what `fengsui status` shows
    refresh sets the gauges that are only worth setting when somebody looks
    """

    registry: CollectorRegistry
    ready: Callable[[], str]
    status: Callable[[], Mapping[str, Any]] = field(default=dict)
    refresh: Callable[[], None] = field(default=lambda: None)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return (HTTP status, content type, body) for a path."""
        match path.partition("?")[0]:
            case "/healthz":
                return 200, "text/plain; charset=utf-8", b"ok\n"
            case "/readyz":
                waiting = self.ready()
                return (503 if waiting else 200), "text/plain; charset=utf-8", f"{waiting or 'ok'}\n".encode()
            case "/metrics":
                self.refresh()
                return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
            case "/status":
                return 200, "application/json", json.dumps(self.status()).encode()
            case _:
                return 404, "text/plain; charset=utf-8", b"try /healthz /readyz /metrics /status\n"


def serve(probe: Probe, *, host: str, port: int) -> ThreadingHTTPServer:
    """Answer from a daemon thread until the process ends; raises OSError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, content_type, body = probe.answer(self.path)
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent: a probe every few seconds would drown the log."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probe", daemon=True).start()
    return server
