"""Partitions are there before they are needed and go when they are old; rollups are what SQL makes of the samples."""

import numpy as np
import psycopg
import pytest
from storage_case import GATEWAY_OF, T0, T0_DAY, batch, commit, late, opened, rows, tick, unit

from alerts.changes import Changes, Note
from core.batch import LATE, Batch
from core.levels import Level
from core.reject import Reason, Reject
from core.time import DAY, HOUR, MINUTE, SECOND
from storage.maintenance import Keep, maintain
from storage.partitions import children

KEEP = Keep(samples_days=3, minutes_days=20, hours_days=100, rejects_days=2, notes_days=5)


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def store(database):
    store, _log = opened(database)
    yield store
    store.close()


def day_name(table, day):
    return f"{table}_{str(np.datetime64(T0_DAY + day, 'D')).replace('-', '')}"


def test_partitions_of_the_next_days_are_made_ahead(connection):
    maintain(connection, T0)
    assert children(connection, "sample") == {day_name("sample", day) for day in range(3)}
    assert len(children(connection, "rollup_1m")) in {1, 2}
    maintain(connection, T0 + DAY)
    assert children(connection, "sample") == {day_name("sample", day) for day in range(4)}


def test_what_was_made_ahead_is_used_at_midnight_without_any_ddl(store, connection):
    maintain(connection, T0)
    oids = connection.execute("SELECT max(oid) FROM pg_class").fetchone()
    commit(store, unit(batch([(1, day * 86_400, 1.0) for day in range(3)])))
    assert connection.execute("SELECT max(oid) FROM pg_class").fetchone() == oids


def test_old_samples_go_with_their_day(store, connection, database):
    commit(store, unit(batch([(1, day * 86_400, float(day)) for day in (-5000, -10, -4, -3, -2, 0)])))
    maintain(connection, T0, KEEP)
    assert rows(database, "SELECT value FROM sample ORDER BY 1") == [(-3.0,), (-2.0,), (0.0,)]


def test_old_rejects_rollups_and_notes_go_each_at_their_time(store, connection, database):
    note = Note("k", "A", "raise-1", "x", "log", "", Level.RED, "t", "z", "e", "", T0)
    rejects = [Reject(1, "t", b"x", T0 + day * DAY, Reason.BAD_JSON) for day in (-9, -1)]
    commit(
        store,
        unit(batch([(1, day * 86_400, 1.0) for day in (-200, -60, -1, 0)]), rejects=rejects),
        Changes(notes=(note,)),
    )
    commit(store, tick(T0 + 2 * HOUR))
    store.flush()
    connection.execute("UPDATE outbox SET state = 'sent', ended_ns = %s", [T0 - 6 * DAY])
    maintain(connection, T0, KEEP)
    count = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {})"
    # rollup_1m goes by whole weeks, rollup_1h by thirty days.
    assert rows(database, count.format("reject", "rollup_1m", "rollup_1h", "outbox")) == [(1, 2, 3, 0)]


def test_a_reader_is_not_waited_for_and_the_partition_goes_the_next_time(store, connection, database):
    commit(store, unit(batch([(1, -10 * 86_400, 1.0), (1, 0, 2.0)])))
    with psycopg.connect(database) as reader:
        reader.execute("SELECT * FROM sample")
        maintain(connection, T0, KEEP)
        assert day_name("sample", -10) in children(connection, "sample")
    maintain(connection, T0, KEEP)
    assert day_name("sample", -10) not in children(connection, "sample")


def test_a_reader_does_not_keep_a_new_day_from_beginning(store, database):
    with psycopg.connect(database) as reader:
        reader.execute("SELECT * FROM sample")
        assert commit(store, unit(batch([(1, 0, 1.0), (1, 86_400, 1.0)]))).stored == {1: 2}


RECOMPUTED = """
SELECT series_id, date_trunc(%s, time) AS time, count(*)::int, sum(value), min(value), max(value)
FROM sample WHERE value <> 'NaN' AND quality & 3 <> 0 GROUP BY 1, 2 ORDER BY 1, 2
"""


@pytest.mark.parametrize("seed", range(3))
def test_rollups_are_what_sql_makes_of_the_samples(database, seed):
    """Late samples, repetitions, bad ones, gaps, days, and a restart in the middle: whole numbers, so sums are exact."""
    rng = np.random.default_rng(seed)
    store, _log = opened(database)
    clock, now = np.full(len(GATEWAY_OF), T0), T0
    for k in range(120):
        commit(store, random_unit(rng, clock, now := now + int(rng.integers(1, 200)) * SECOND))
        if k == 60:
            store.checkpoint(store.seq, {}, wait=True)
        if k in {40, 90}:
            store.close()
            store, _log = opened(database)
    for later in (10, 20):
        commit(store, unit(batch([]), duplicates={1: 1}, now=int(clock.max() + later * MINUTE)))
    store.close()
    for period, table in (("minute", "rollup_1m"), ("hour", "rollup_1h")):
        expected = rows(database, RECOMPUTED, period)
        assert len(expected) > 10
        assert (
            rows(database, f"SELECT series_id, time, n, sum, min, max FROM {table} ORDER BY 1, 2") == expected
        )
    assert rows(database, "SELECT sum(n) FROM readings_1m") == rows(
        database, "SELECT sum(n) FROM readings_1h"
    )


def random_unit(rng, clock, now):
    series = np.sort(rng.integers(1, len(GATEWAY_OF), 40)).astype(np.int32)
    is_late = rng.random(40) < 0.2
    ahead = rng.integers(1, 40, 40) * SECOND
    t = clock[series] + np.where(is_late, -ahead * 50, np.cumsum(ahead))
    np.maximum.at(clock, series[~is_late], t[~is_late])
    value = np.where(rng.random(40) < 0.1, np.nan, rng.integers(-50, 50, 40).astype(float))
    quality = rng.choice([0, 1, 2, 2, 2], 40) | np.where(is_late, LATE, 0)
    return unit(Batch.of(series, t, value, quality.astype(np.uint8)), now=int(now))


def test_readings_of_a_minute_have_their_average(store, database):
    commit(store, unit(batch([(1, 0, 1.0), (1, 1, 4.0), (1, 100, 7.0)])))
    commit(store, unit(late([(1, 2, 4.0)])))
    commit(store, tick(T0 + HOUR))
    store.flush()
    assert rows(database, "SELECT avg, min, max, n FROM readings_1m ORDER BY time") == [
        (3.0, 1.0, 4.0, 3),
        (7.0, 7.0, 7.0, 1),
    ]


def test_series_info_joins_names_to_series(connection):
    assert connection.execute("SELECT * FROM series_info").fetchall() == []
