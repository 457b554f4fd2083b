"""Real servers for the tests: PostgreSQL and nats-server of the wheels, mosquitto of the system.

postgres_server   session   a running PostgreSQL; `.dsn(dbname)`
database          function  DSN of a fresh, migrated database, dropped at the end
empty_database    function  the same without tables
nats_broker       session   a running broker: `.host .port`
start_nats        function  factory of brokers that a test may `.kill()` and `.start()` again, same port and store
start_mosquitto   function  the same with mosquitto; skips where it is not installed
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from service.embedded import process
from service.embedded.nats import Nats, NatsSettings
from service.embedded.port import Claims, free_port
from service.embedded.postgres import Postgres

# The same examples in every run: a change is judged by what it changes.  HYPOTHESIS_PROFILE=explore looks further.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "fengsui_template"
_number = itertools.count(1)


# ── PostgreSQL ────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A PostgreSQL for the whole session; tests that kill one start their own `Postgres`."""
    # kill -9 loses nothing that the kernel has; only a power cut needs fsync, and no test cuts the power.
    server = Postgres(tmp_path_factory.mktemp("pg") / "postgres", settings=QUICK_POSTGRES)
    server.start()
    yield server
    server.stop()


# A database in which autovacuum is at work cannot be dropped by the service's role.
QUICK_POSTGRES = {"fsync": "off", "shared_buffers": "128MB", "full_page_writes": "off", "autovacuum": "off"}


@pytest.fixture(scope="session")
def migrated_template(postgres_server):
    """Name of a database in which all migrations have run; never connect to it, copy it."""
    create_database(postgres_server, TEMPLATE, template="template1")
    migrate(postgres_server.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database(postgres_server, migrated_template):
    """DSN of a database of the test's own, with all tables."""
    yield from _fresh_database(postgres_server, migrated_template)


@pytest.fixture
def empty_database(postgres_server):
    """DSN of a database of the test's own, without tables."""
    yield from _fresh_database(postgres_server, "template1")


def _fresh_database(server, template):
    name = f"test_{next(_number)}"
    create_database(server, name, template=template)
    yield server.dsn(name)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def create_database(server, name, *, template):
    """Make a database owned by the service's role."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )


def migrate(dsn):
    """Run the Django migrations as the service does, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--skip-checks", "--verbosity", "0"],
        env=os.environ | {"FENGSUI_DATABASE__DSN": dsn, "DJANGO_SETTINGS_MODULE": "service.settings"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"migrations failed:\n{done.stdout}\n{done.stderr}"


# ── brokers ───────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def nats_broker(tmp_path_factory):
    """A nats-server for the whole session; use client ids and topics of your own, and never kill it."""
    broker = new_nats(tmp_path_factory.mktemp("nats"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def start_nats(tmp_path):
    """`start_nats(**settings)` gives a running broker of the test's own."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            broker = new_nats(tmp_path / f"nats-{next(_number)}", **settings)
            stack.callback(broker.stop)
            broker.start()
            return broker

        yield start


@pytest.fixture
def start_mosquitto(tmp_path):
    """`start_mosquitto()` gives a running mosquitto that writes every change to disk, as kill -9 needs."""
    if not mosquitto_program():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    with contextlib.ExitStack() as stack:

        def start():
            broker = Mosquitto(tmp_path / f"mosquitto-{next(_number)}")
            stack.callback(broker.stop)
            broker.start()
            return broker

        yield start


def new_nats(folder, **settings):
    """Return a broker that has not been started, on ports that were free a moment ago."""
    claims = Claims()
    ports = {"port": free_port(claims=claims), "monitor_port": free_port(claims=claims)}
    claims.close()
    return Nats(folder, **ports, settings=NatsSettings(**settings))


def mosquitto_program():
    """Return the path of mosquitto, None when it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A mosquitto of the system with the same verbs as `Nats`."""

    def __init__(self, folder, port=0):
        self.folder = folder
        self.host, self.port = "127.0.0.1", port or free_port()
        self.log = folder / "mosquitto.log"
        self.process = None

    def start(self, timeout_s=20):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {self.host}\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {self.folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\n"
            "max_queued_messages 0\nmax_inflight_messages 0\n"
        )
        self.process = process.spawn(
            [mosquitto_program(), "-c", str(config)], log=self.log, death_signal=signal.SIGTERM
        )
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            assert self.process.poll() is None, process.last_lines(self.log)
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.02)

    def answers(self):
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process:
            process.stop(self.process, signal.SIGTERM, patience_s=10)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
