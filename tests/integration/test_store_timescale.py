"""With TimescaleDB: the same promises and the same views over a hypertable and continuous aggregates.

Runs where FENGSUI_TIMESCALE_DSN names a server whose role may create databases and the extension.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from storage_case import T0, batch, commit, late, ledger, opened, rows, unit

from core.batch import LATE, Batch
from core.time import DAY, MINUTE, SECOND, to_datetime
from storage import timescale
from storage.maintenance import Keep, maintain

pytestmark = pytest.mark.timescale
SERVER = os.environ.get("FENGSUI_TIMESCALE_DSN", "")
ROOT = Path(__file__).resolve().parents[2]
_number = itertools.count(1)


@pytest.fixture(scope="module")
def template():
    """A migrated database to copy; the extension's workers must leave it first, so it is only ever a template."""
    if not SERVER:
        pytest.skip("FENGSUI_TIMESCALE_DSN names no server with TimescaleDB")
    yield from migrated("fengsui_test_ts")


def migrated(name):
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = make_conninfo(SERVER, dbname=name)
    environment = os.environ | {"FENGSUI_DATABASE__DSN": dsn, "DJANGO_SETTINGS_MODULE": "service.settings"}
    command = [sys.executable, "-m", "django", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)
    yield dsn
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(template):
    """The database, emptied."""
    with psycopg.connect(template, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE sample, batch_log, checkpoint, checkpoint_chunk, gateway_ledger, latest, reject, alert, outbox,"
            " receipt CASCADE"
        )
        connection.execute("UPDATE mark SET seq = 0")
        refresh(connection)
    return template


def refresh(connection):
    for aggregate in ("rollup_1m", "rollup_1h"):
        connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", [aggregate])


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(database):
    store, _log = opened(database)
    yield store
    store.close()


def test_samples_are_a_hypertable(connection):
    with connection.cursor() as cursor:
        assert timescale.serves(cursor)
    hypertables = connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
    assert ("sample",) in hypertables.fetchall()


def test_fresh_late_and_repeated_rows_are_counted_as_on_plain_postgresql(store, database):
    commit(store, unit(batch([(1, 10, 1.0), (4, 10, 4.0), (1, -86_400 * 9, 0.0), (4, 86_400, 5.0)])))
    outcome = commit(store, unit(late([(1, 5, 0.5), (1, 10, 99.0), (4, 9, 3.9), (4, 9, 77.0)])))
    assert (outcome.stored, outcome.duplicate) == ({1: 1, 2: 1}, {1: 1, 2: 1})
    outcome = commit(store, unit(batch([(1, 10, 1.0), (1, 11, 2.0)])))
    assert (outcome.asked_all, outcome.stored, outcome.duplicate) == (True, {1: 1}, {1: 1})
    assert ledger(database) == {1: (6, 4, 2, 0), 2: (4, 3, 1, 0)}
    store.flush()
    assert rows(database, "SELECT series_id, value FROM latest ORDER BY 1") == [(1, 2.0), (4, 5.0)]


def test_late_rows_reach_days_that_are_compressed(store, connection, database):
    commit(store, unit(batch([(1, k, float(k)) for k in range(100)])))
    connection.execute("SELECT compress_chunk(c) FROM show_chunks('sample') c")
    assert commit(store, unit(late([(1, 50, 9.0), (1, 50.5, 9.0)]))).stored == {1: 1}
    assert commit(store, unit(batch([(1, 99, 9.0), (1, 100, 9.0)]))).stored == {1: 1}
    assert rows(database, "SELECT count(*) FROM readings WHERE series_id = 1") == [(102,)]


def test_state_and_log_come_back(store, database):
    commit(store, unit(batch([(1, 0, 1.0)])))
    store.checkpoint(1, {"bank/x": np.arange(3)}, wait=True)
    commit(store, unit(late([(1, 0, 1.0)])))
    store.close()
    again, log = opened(database)
    assert [(entry.seq, entry.was_there.tolist()) for entry in log] == [(2, [True])]
    again.checkpoint(2, {}, wait=True)
    again.checkpoint(2, {}, wait=True)
    again.close()
    assert rows(database, "SELECT count(*) FROM batch_log") == [(1,)]


RECOMPUTED = """
SELECT series_id, date_trunc(%s, time) AS time, count(*)::int, sum(value), min(value), max(value)
FROM sample WHERE value <> 'NaN' AND quality & 3 <> 0 GROUP BY 1, 2 ORDER BY 1, 2
"""


def test_rollups_are_what_sql_makes_of_the_samples(store, connection, database):
    """New minutes are shown at once; late rows of minutes that were refreshed already, after the next refresh."""
    rng = np.random.default_rng(1)
    for k in range(20):
        commit(store, unit(random_batch(rng, k), now=T0 + (k + 1) * 700 * SECOND))
        if k == 10:
            refresh(connection)
    assert rows(database, "SELECT max(time) FROM readings_1m") == rows(
        database,
        "SELECT max(date_trunc('minute', time)) FROM sample WHERE value <> 'NaN' AND quality & 3 <> 0",
    )
    refresh(connection)
    for period, view in (("minute", "readings_1m"), ("hour", "readings_1h")):
        found = rows(database, f"SELECT series_id, time, n, sum, min, max FROM {view} ORDER BY 1, 2")
        assert found == rows(database, RECOMPUTED, period)


def random_batch(rng, k):
    t = T0 + (k * 700 + np.sort(rng.integers(0, 700, 40))) * SECOND
    is_late = rng.random(40) < 0.2
    t = np.where(is_late, t - rng.integers(1, 5, 40) * 30 * MINUTE, t)
    keep = np.unique(t, return_index=True)[1]
    value = np.where(rng.random(40) < 0.1, np.nan, rng.integers(-50, 50, 40).astype(float))
    quality = (rng.choice([0, 1, 2, 2, 2], 40) | np.where(is_late, LATE, 0)).astype(np.uint8)
    series = rng.integers(1, 10, 40)
    return Batch.of(series[keep], t[keep], value[keep], quality[keep])


def test_maintenance_drops_old_chunks_and_adds_the_jobs_once(store, connection, database):
    commit(store, unit(batch([(1, day * 86_400, float(day)) for day in (-60, -10, -4, 0)])))
    refresh(connection)
    for _ in range(2):
        maintain(connection, T0, Keep(samples_days=7, minutes_days=30, hours_days=90))
    assert rows(database, "SELECT value FROM sample ORDER BY 1") == [(-4.0,), (0.0,)]
    jobs = connection.execute(
        "SELECT proc_name FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL"
    )
    assert sorted(name for (name,) in jobs) == [
        "policy_compression",
        "policy_refresh_continuous_aggregate",
        "policy_refresh_continuous_aggregate",
    ]
    # What the aggregates know of dropped days stays as long as their own retention.
    refresh_as_the_job_does(connection, days=6)
    assert rows(database, "SELECT sum FROM readings_1m ORDER BY time") == [(-10.0,), (-4.0,), (0.0,)]


def refresh_as_the_job_does(connection, days):
    since = to_datetime(T0 - days * DAY)
    connection.execute("CALL refresh_continuous_aggregate('rollup_1m', %s, NULL)", [since])
