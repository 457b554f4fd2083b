"""The database is killed between and inside commits, the answer of a COMMIT is lost, the process is killed: nothing
is lost, nothing is there twice, and the caller learns which."""

import contextlib
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from storage_case import IMPATIENT, T0, batch, commit, late, ledger, opened, rows, unit

from alerts.changes import Changes, Note
from core.levels import Level
from core.time import SECOND
from service.embedded.postgres import Postgres
from storage.store import Store

ROOT = Path(__file__).resolve().parents[2]


def patiently(write, server=None, timeout_s=60):
    """Do what the pipeline does: try again until the database answers; return the answer and how often it was lost.

    A server that was killed is started again from here: it lives only as long as the thread that started it.
    """
    deadline, losses = time.monotonic() + timeout_s, 0
    while True:
        try:
            return write(), losses
        except psycopg.OperationalError:
            losses += 1
            assert time.monotonic() < deadline
            if server and not server.is_alive():
                server.start()
            time.sleep(0.02)


def note(n):
    return Note(
        f"A:raise-{n}:duty:log", "A", f"raise-{n}", "duty", "log", "", Level.RED, "t", "文", "en", "", T0
    )


# ── the answer is lost ────────────────────────────────────────────────────────
class Line:
    """A proxy of the server's socket that can be cut just before or just after it passes on a COMMIT."""

    def __init__(self, folder, target):
        self.folder, self.target, self.cut_at = folder, target, None
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(folder / ".s.PGSQL.5432"))
        self.server.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _address = self.server.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self.target)
            with selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while self.pass_on(ready, client):
                    pass

    def pass_on(self, ready, client):
        for key, _events in ready.select(0.2):
            data = key.fileobj.recv(65536)
            if not data:
                return False
            commits = key.fileobj is client and b"COMMIT" in data
            if commits and self.cut_at == "before":
                self.cut_at = None
                return False
            key.data.sendall(data)
            if commits and self.cut_at == "after":
                self.cut_at = None
                key.data.recv(1)  # the server has answered: it is durable, and nobody will know
                return False
        return True


@pytest.fixture
def line(database, tmp_path_factory):
    parts = conninfo_to_dict(database)
    folder = tmp_path_factory.mktemp("line")
    line = Line(folder, f"{parts['host']}/.s.PGSQL.{parts['port']}")
    line.dsn = make_conninfo(database, host=str(folder), port=5432)
    yield line
    line.server.close()


@pytest.mark.parametrize(("cut_at", "again"), [("before", False), ("after", True)])
def test_a_commit_whose_answer_is_lost_is_done_once(line, database, cut_at, again):
    store, _log = opened(line.dsn)
    commit(store, unit(batch([(1, 0, 1.0)])))
    store.flush()
    second = unit(late([(1, -5, 1.0), (1, 0, 1.0)]))
    changes = Changes(notes=(note(1),))
    line.cut_at = cut_at
    with pytest.raises(psycopg.OperationalError):
        commit(store, second, changes)
    outcome, _losses = patiently(lambda: commit(store, second, changes))
    assert (outcome.seq, outcome.again, outcome.stored, outcome.duplicate) == (2, again, {1: 1}, {1: 1})
    assert commit(store, unit(batch([(1, 1, 1.0)]))).again is False
    store.close()
    assert ledger(database) == {1: (4, 3, 1, 0)}
    assert rows(database, "SELECT count(*) FROM outbox") == [(1,)]
    assert rows(database, "SELECT sum(n) FROM rollup_1h") in ([(None,)], [(3,)])


@pytest.mark.parametrize("cut_at", ["before", "after"])
def test_rollups_whose_commit_is_lost_are_added_once(line, database, cut_at):
    store, _log = opened(line.dsn)
    for k in range(3):
        commit(store, unit(batch([(1, 100 * k, 1.0)])))
    store.flush()
    commit(store, unit(batch([(1, 400, 1.0), (1, 500, 1.0)])))
    line.cut_at = cut_at
    with pytest.raises(psycopg.OperationalError):
        store.flush()
    patiently(store.flush)
    assert rows(database, "SELECT extract(epoch FROM time)::int8 FROM latest") == [(T0 // SECOND + 500,)]
    commit(store, unit(batch([(1, 9000, 1.0)]), now=T0 + 9500 * SECOND))
    store.flush()
    assert rows(database, "SELECT sum(n) FROM rollup_1m") == [(6,)]
    assert rows(database, "SELECT sum(n) FROM rollup_1h") == [(6,)]
    assert rows(database, "SELECT stored FROM gateway_ledger") == [(6,)]
    store.close()


@pytest.mark.parametrize("cut_at", ["before", "after"])
def test_a_checkpoint_whose_commit_is_lost_can_be_written_again(line, cut_at):
    store, _log = opened(line.dsn)
    commit(store, unit(batch([(1, 0, 1.0)])))
    store.flush()
    line.cut_at = cut_at
    with pytest.raises(psycopg.OperationalError):
        store.checkpoint(1, {"bank/x": np.arange(3)}, wait=True)
    patiently(lambda: store.checkpoint(1, {"bank/x": np.arange(3)}, wait=True))
    store.close()
    again = Store(line.dsn, IMPATIENT)
    restored = again.restore()
    assert (restored.seq, restored.state["bank/x"].tolist(), list(restored.log)) == (1, [0, 1, 2], [])
    again.close()


# ── the server is killed ──────────────────────────────────────────────────────
@pytest.fixture
def server(tmp_path):
    server = Postgres(tmp_path / "pg", settings={"fsync": "off", "shared_buffers": "32MB"})
    server.start()
    migrate(server.dsn())
    yield server
    server.stop()


def migrate(dsn):
    environment = os.environ | {"FENGSUI_DATABASE__DSN": dsn, "DJANGO_SETTINGS_MODULE": "service.settings"}
    command = [sys.executable, "-m", "django", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)


def backends(server):
    with psycopg.connect(server.dsn()) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = 'fengsui' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in found]


def test_killing_the_server_at_any_moment_loses_nothing_and_doubles_nothing(server):
    """200 units; the server, or a backend in the middle of something, is killed -9 three times at random moments."""
    random_ = random.Random(7)
    store, _log = opened(server.dsn())
    kills = {random_.randrange(10 + 60 * k, 60 + 60 * k): k % 2 == 0 for k in range(3)}
    losses = 0
    for n in range(200):
        killer = (
            threading.Timer(random_.uniform(0, 0.004), strike, [server, kills[n]]) if n in kills else None
        )
        rows_in = [(series, n * 7 + k, float(n)) for series in (1, 2, 6) for k in range(7)]
        this = unit(batch(rows_in) if n % 5 else late([*rows_in, (1, 0, 0.0)]))
        if killer:
            killer.start()
        _outcome, lost = patiently(
            lambda unit_=this, n=n: commit(store, unit_, Changes(notes=(note(n),))), server
        )
        losses += lost
        if killer:
            killer.join()
        if n % 50 == 49:
            patiently(
                lambda: store.checkpoint(store.seq, {"bank/n": np.array([store.seq])}, wait=True), server
            )
    patiently(store.flush, server)
    store.close()
    assert losses
    assert rows(server.dsn(), "SELECT count(*), count(DISTINCT (series_id, time)) FROM sample") == [
        (4200, 4200)
    ]
    # The late row of unit 0 was new, its 39 repetitions were not.
    assert {gateway: line[:3] for gateway, line in ledger(server.dsn()).items()} == {
        1: (2840, 2800, 40), 3: (1400, 1400, 0),
    }  # fmt: skip
    assert rows(server.dsn(), "SELECT count(*) FROM outbox") == [(200,)]
    assert rows(server.dsn(), "SELECT seq FROM checkpoint ORDER BY 1") == [(150,), (200,)]


def strike(server, whole):
    if whole:
        server.kill()
    else:
        # One killed backend takes all others down: shared memory may be damaged.
        for pid in backends(server)[:1]:
            os.kill(pid, signal.SIGKILL)


# ── the process is killed ─────────────────────────────────────────────────────
WRITER = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from storage_case import *
store, log = opened({dsn!r}, Habits(patience_s=20))
n = store.seq
while True:
    at = n * 11
    commit(store, unit(batch([(s, at + k, float(s * n + k)) for s in (1, 2, 6) for k in range(11)])
                       if n % 4 else late([(s, at + k, float(s * n + k)) for s in (1, 2, 6) for k in range(11)]),
           now=T0 + at * SECOND))
    n += 1
    if n % 40 == 0:
        store.checkpoint(n, {{"bank/n": np.array([n])}})
    print("committed", n, flush=True)
"""
RECOMPUTED = """
SELECT series_id, date_trunc(%s, time) AS time, count(*)::int AS n, sum(value), min(value), max(value)
FROM sample GROUP BY 1, 2 ORDER BY 1, 2
"""


def test_killing_the_process_at_any_moment_leaves_every_table_right(database):
    random_, here = random.Random(3), str(Path(__file__).parent)
    code = WRITER.format(root=str(ROOT), here=here, dsn=database)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
            said = (line.split()[-1] for line in writer.stdout if line.startswith("committed"))
            acknowledged = [int(next(said)) for _ in range(random_.randrange(30, 150))][-1]
            time.sleep(random_.uniform(0, 0.02))
            writer.kill()
        assert rows(database, "SELECT max(seq) FROM batch_log")[0][0] >= acknowledged
    store, _log = opened(database)
    n = store.seq
    commit(store, unit(batch([(9, 0, 1.0)]), now=T0 + (n * 11 + 90_000) * SECOND))
    store.close()
    ledger(database)
    assert rows(database, "SELECT count(*) FROM sample") == [(33 * n + 1,)]
    for period, table in (("minute", "rollup_1m"), ("hour", "rollup_1h")):
        expected = rows(database, RECOMPUTED, period)
        found = rows(database, f"SELECT series_id, time, n, sum, min, max FROM {table} ORDER BY 1, 2")
        assert found == expected
    newest = "SELECT DISTINCT ON (series_id) series_id, time, value FROM sample WHERE quality & 16 = 0 ORDER BY 1, 2 DESC"
    assert rows(database, "SELECT series_id, time, value FROM latest ORDER BY 1") == rows(database, newest)
