"""The service as processes, for the acceptance tests: real broker, real database, pipeline and notifier.

Everything may be killed with -9 and started again by its name; nothing restarts by itself, so that a test decides.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
from conftest import QUICK_POSTGRES, Mosquitto, migrate

from service.embedded.nats import Nats, NatsSettings
from service.embedded.port import free_port
from service.embedded.postgres import DATABASE, Postgres

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("pipeline", "notifier")
ACK_WAIT_S = 2.0


class WholeService:
    """Broker, database, pipeline and notifier in one folder; `hook` is where notes go.

    broker : "nats" or "mosquitto"
    """

    def __init__(self, folder, *, town, hook, config="", broker="nats"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # Only a power cut needs fsync, and kill -9 is none.
        self.postgres = Postgres(folder / "postgres", settings=QUICK_POSTGRES)
        mqtt, monitor, *probes = free_ports(4)
        if broker == "nats":
            settings = NatsSettings(ack_wait_s=ACK_WAIT_S)
            self.broker = Nats(folder / "nats", port=mqtt, monitor_port=monitor, settings=settings)
            self.settle_s = ACK_WAIT_S + 1
        else:
            self.broker = Mosquitto(folder / "mosquitto", port=mqtt)
            self.settle_s = 0  # it sends what was not acknowledged at once, and before anything new
        self.programs = {}
        self.ports = dict(zip(PROGRAMS, probes, strict=True))
        try:
            self._begin(town, hook, config)
        except BaseException:
            self.close()
            raise

    def _begin(self, town, hook, config):
        self.postgres.start()
        self.broker.start()
        self.dsn = self.postgres.dsn(DATABASE)
        migrate(self.dsn)
        self.config = self.folder / "fengsui.toml"
        self.config.write_text(
            f"""
            [mqtt]
            port = {self.broker.port}
            ack_wait_s = {ACK_WAIT_S}
            settle_s = {self.settle_s}
            [database]
            dsn = {json.dumps(self.dsn)}
            [metrics]
            pipeline_port = {self.ports["pipeline"]}
            notifier_port = {self.ports["notifier"]}
            [notify]
            lease_s = 3.0
            timeout_s = 1.0
            [channels.log]
            kind = "log"
            [channels.webhook]
            kind = "webhook"
            url = "{hook}"
            per_minute = 100000
            {config}
            """
        )
        (self.folder / "town.toml").write_text(town)
        self.fengsui("registry", "import", str(self.folder / "town.toml"))
        for name in PROGRAMS:
            self.start(name)
        self.await_ready()

    # ── by name ───────────────────────────────────────────────────────────────
    def start(self, name):
        if name in ("broker", "postgres"):
            getattr(self, name).start()
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            self.programs[name] = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "run", name, "--config", str(self.config)],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self, name):
        if name in ("broker", "postgres"):
            getattr(self, name).kill()
            return
        self.programs[name].kill()
        self.programs[name].wait()

    def revive(self):
        """Start what has ended by itself, as a supervisor would (a pipeline ends when it starts without a database)."""
        for name, program in list(self.programs.items()):
            if program.poll() is not None:
                self.start(name)

    def stop(self, name):
        """Ask it to end, and wait."""
        if name in ("broker", "postgres"):
            getattr(self, name).stop()
            return
        self.programs[name].send_signal(signal.SIGTERM)
        assert self.programs[name].wait(30) == 0, self.log(name)

    def close(self):
        for program in self.programs.values():
            if program.poll() is None:
                program.terminate()
        for program in self.programs.values():
            try:
                program.wait(15)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        self.broker.stop()
        self.postgres.stop()

    # ── questions ─────────────────────────────────────────────────────────────
    def fengsui(self, *arguments):
        """Run the command line; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=ROOT, env=os.environ | {"FENGSUI_CONFIG": str(self.config)}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def rows(self, sql, *values):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(sql, values).fetchall()

    def one(self, sql, *values):
        return self.rows(sql, *values)[0][0]

    def ask(self, name, path):
        """Return (status, body) of a program's HTTP face."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def await_ready(self, timeout_s=60):
        for name in PROGRAMS:
            wait_for(lambda name=name: self._ready(name), timeout_s, lambda name=name: self.log(name))

    def _ready(self, name):
        try:
            return self.ask(name, "/readyz")[0] == 200
        except OSError:
            return False


def free_ports(n):
    """Return n ports that nobody listens on now, all different."""
    taken = set()
    while len(taken) < n:
        taken.add(free_port(taken=taken))
    return sorted(taken)


def wait_for(condition, timeout_s=30, why=lambda: "", *, pause_s=0.05):
    """Wait until a condition holds; the time-out is for faults, not for slow machines."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain; {why()}"
        time.sleep(pause_s)
    return answer
