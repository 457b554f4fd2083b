"""One unit is one transaction: what is stored, what is counted, what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg
import pytest
from storage_case import (
    GATEWAY_OF,
    IMPATIENT,
    T0,
    T0_DAY,
    batch,
    commit,
    late,
    ledger,
    opened,
    rows,
    tick,
    unit,
)

from alerts.changes import Answer, Changes, Finding
from core.batch import HISTORICAL, LATE, Batch
from core.events import SubjectKind
from core.levels import Level
from core.reject import Reason, Reject
from core.time import DAY, SECOND
from storage.errors import FencedError
from storage.partitions import Partitions
from storage.store import Store

SAMPLES = "SELECT series_id, extract(epoch FROM time)::float8, value, quality FROM sample ORDER BY 1, 2"


@pytest.fixture
def store(database):
    store, _log = opened(database)
    yield store
    store.close()


def test_samples_are_stored_as_they_came(store, database):
    rows_in = [(1, 0, 20.5), (1, 0.000001, -3.0), (2, 1.5, 1e300), (3, 2, float("nan"))]
    commit(store, unit(batch(rows_in)))
    stored = rows(database, SAMPLES)
    assert [(s, v) for s, _t, v, _q in stored[:3]] == [(1, 20.5), (1, -3.0), (2, 1e300)]
    assert np.isnan(stored[3][2])
    assert stored[1][1] == pytest.approx(T0 / 1e9 + 1e-6, abs=2e-7)
    assert rows(database, "SELECT value FROM readings WHERE series_id = 3") == [(None,)]


def test_flags_of_quality_are_kept(store, database):
    commit(store, unit(batch([(1, 0, 1.0), (2, 0, 1.0)], [1 | int(HISTORICAL), 0])))
    assert rows(database, "SELECT series_id, quality, late, historical FROM readings ORDER BY 1") == [
        (1, 1, False, True),
        (2, 0, False, False),
    ]


def test_a_late_row_is_stored_once_and_its_repetition_is_a_duplicate(store, database):
    commit(store, unit(batch([(1, 10, 1.0), (4, 10, 4.0)])))
    outcome = commit(store, unit(late([(1, 5, 0.5), (1, 10, 99.0), (4, 9, 3.9), (4, 9, 77.0)])))
    assert (outcome.stored, outcome.duplicate) == ({1: 1, 2: 1}, {1: 1, 2: 1})
    assert [(s, v) for s, _t, v, _q in rows(database, SAMPLES)] == [(1, 0.5), (1, 1.0), (4, 3.9), (4, 4.0)]
    assert ledger(database) == {1: (3, 2, 1, 0), 2: (3, 2, 1, 0)}


def test_fresh_and_late_rows_of_one_batch_do_not_disturb_each_other(store, database):
    mixed = batch([(1, 0, 1.0), (1, 1, 2.0), (1, 1, 9.0)], [2, 2, 2 | int(LATE)])
    outcome = commit(store, unit(mixed))
    assert (outcome.stored, outcome.duplicate, outcome.asked_all) == ({1: 2}, {1: 1}, False)
    assert [value for _s, _t, value, _q in rows(database, SAMPLES)] == [1.0, 2.0]


def test_duplicates_found_by_ingest_and_by_the_database_are_counted_together(store, database):
    commit(store, unit(batch([(1, 0, 1.0)]), duplicates={1: 3, 2: 1}))
    outcome = commit(store, unit(late([(1, 0, 1.0)]), duplicates={1: 2}))
    assert outcome.duplicate == {1: 3}
    assert ledger(database) == {1: (7, 1, 6, 0), 2: (1, 0, 1, 0)}


def test_a_new_row_that_is_there_already_does_not_stop_the_service(store, database):
    """A high-water mark was lost: every row of the batch is asked about, and it is counted."""
    commit(store, unit(batch([(1, 0, 1.0), (1, 1, 2.0)])))
    outcome = commit(store, unit(batch([(1, 1, 2.0), (1, 2, 3.0), (3, 2, 5.0)])))
    assert outcome.asked_all
    assert (outcome.stored, outcome.duplicate) == ({1: 1, 2: 1}, {1: 1})
    assert commit(store, unit(batch([(1, 3, 4.0)]))).asked_all is False
    assert ledger(database) == {1: (5, 4, 1, 0), 2: (1, 1, 0, 0)}


def test_rows_of_other_days_make_their_partitions(store, database):
    days = [-4000, -400, -1, 0, 1]
    commit(store, unit(batch([(1, day * 86_400, float(day)) for day in days])))
    found = dict(rows(database, "SELECT value, tableoid::regclass::text FROM sample"))
    names = {day: f"sample_{str(np.datetime64(T0_DAY + day, 'D')).replace('-', '')}" for day in days}
    assert found == {float(day): name for day, name in names.items()}


def test_all_days_before_2015_share_a_partition(store, database):
    early = Batch.of(
        np.array([1, 2, 3], np.int32),
        np.array([0, 1000 * DAY, 16_435 * DAY], np.int64),
        np.array([1.0, 2, 3]),
    )
    commit(store, unit(early))
    commit(store, unit(Batch.of(early.series + 3, early.t, early.value, np.full(3, 2 | LATE, np.uint8))))
    assert set(rows(database, "SELECT tableoid::regclass::text FROM sample")) == {("sample_before",)}


def test_late_rows_of_a_day_without_partition_make_it(store, database):
    commit(store, unit(batch([(1, 0, 1.0)])))
    assert commit(store, unit(late([(1, -200 * 86_400, 2.0)]))).stored == {1: 1}
    assert len(rows(database, SAMPLES)) == 2


def test_a_partition_that_retention_took_away_is_made_again(store, database):
    commit(store, unit(batch([(1, 0, 1.0)])))
    with psycopg.connect(database, autocommit=True) as connection:
        (name,) = connection.execute("SELECT tableoid::regclass::text FROM sample").fetchone()
        connection.execute(f"DROP TABLE {name}")
    assert commit(store, unit(batch([(1, 1, 2.0)]))).stored == {1: 1}
    assert commit(store, unit(late([(1, 0.5, 2.0)]))).stored == {1: 1}


def test_rejects_are_kept_with_their_reason_and_cut_when_long(store, database):
    junk = b"\x00\xff" * 40_000
    rejects = [
        Reject(1, "t/1", junk, T0, Reason.BAD_JSON, "NUL \x00 and a lone surrogate \ud800"),
        Reject(0, "t/?", b"", T0 + DAY, Reason.UNKNOWN_GATEWAY),
    ]
    outcome = commit(store, unit(batch([(1, 0, 1.0)]), rejects=rejects))
    assert outcome.rejected == {0: 1, 1: 1}
    kept = rows(database, "SELECT gateway, reason, topic, detail, payload FROM rejects ORDER BY time")
    assert kept[0] == (1, "bad_json", "t/1", "NUL ␀ and a lone surrogate ?", junk[:65_536])
    assert kept[1] == (0, "unknown_gateway", "t/?", "", b"")
    assert ledger(database) == {0: (1, 0, 0, 1), 1: (2, 1, 0, 1)}


def test_one_message_with_many_rejects_is_kept_once(store, database):
    payload = b"x" * 1000
    rejects = [Reject(1, "t", payload, T0, Reason.UNKNOWN_SERIES, str(n)) for n in range(50)]
    commit(store, unit(batch([]), rejects=rejects))
    assert rows(database, "SELECT count(*), count(payload) FROM reject") == [(50, 1)]
    assert rows(database, "SELECT DISTINCT payload FROM rejects") == [(payload,)]


def test_a_unit_that_is_committed_again_changes_nothing(store, database):
    first = unit(batch([(1, 0, 1.0)]))
    once = store.commit(1, first, Changes(), GATEWAY_OF)
    again = store.commit(1, first, Changes(), GATEWAY_OF)
    assert (once.again, again.again) == (False, True)
    assert (again.seq, again.stored) == (1, {1: 1})
    assert ledger(database) == {1: (1, 1, 0, 0)}


def test_a_gap_in_seq_is_refused(store):
    with pytest.raises(ValueError, match="seq is 3, expected 1"):
        store.commit(3, unit(batch([(1, 0, 1.0)])), Changes(), GATEWAY_OF)


def test_what_fails_leaves_nothing_behind(store, database):
    """Everything of a unit is one transaction: an impossible finding takes the samples with it."""
    impossible = Changes(findings=(Finding("X", SubjectKind.SERIES, 2**40, Level.RED, T0, T0, 1.0, 1.0),))
    with pytest.raises(psycopg.DataError):
        commit(store, unit(batch([(1, 0, 1.0)])), impossible)
    assert rows(database, SAMPLES) == []
    assert commit(store, unit(batch([(1, 0, 1.0)]))).seq == 1


def test_a_second_store_is_refused_while_the_first_lives(store, database):
    with pytest.raises(FencedError, match="another pipeline writes to this database: pid"):
        Store(database, IMPATIENT)


def test_a_store_whose_database_was_taken_over_can_write_nothing_more(database):
    first, _log = opened(database)
    commit(first, unit(batch([(1, 0, 1.0)])))
    cut(database, "fengsui-pipeline")
    second, log = opened(database)
    assert [entry.seq for entry in log] == [1]
    with pytest.raises(psycopg.OperationalError):
        commit(first, unit(batch([(1, 1, 1.0)])))
    with pytest.raises(FencedError):
        commit(first, unit(batch([(1, 1, 1.0)])))
    with pytest.raises(FencedError):
        first.flush()
    assert commit(second, unit(batch([(1, 2, 1.0)]))).seq == 2
    first.close()
    second.close()
    assert ledger(database) == {1: (2, 2, 0, 0)}


def test_a_store_that_still_has_its_session_asks_for_its_epoch_too(store, database):
    """As behind a pooler, where a lock of the session protects nobody."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE fence SET epoch = epoch + 1, holder = 'pid 1 on elsewhere'")
    with pytest.raises(FencedError, match="taken this database over: pid 1 on elsewhere"):
        commit(store, unit(batch([(1, 0, 1.0)])))
    assert rows(database, SAMPLES) == []


def cut(dsn, name):
    """End the sessions of an application from outside."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
            " AND datname = current_database()",
            [name],
        )


def test_silent_ticks_write_nothing_and_ride_with_the_next_unit(store, database):
    for n in range(3):
        assert commit(store, tick(T0 + n * SECOND)).seq == 0
    commit(store, tick(T0 + 3 * SECOND, connected=False))
    assert rows(database, "SELECT count(*) FROM batch_log") == [(0,)]
    assert commit(store, unit(batch([(1, 0, 1.0)]), now=T0 + 4 * SECOND)).seq == 1
    assert rows(database, "SELECT nows FROM batch_log") == [
        ([T0, T0 + SECOND, T0 + 2 * SECOND, T0 + 4 * SECOND],)
    ]


def test_silent_ticks_are_not_kept_in_memory_for_long(store, database):
    for n in range(25):
        commit(store, tick(T0 + n * SECOND))
    assert rows(database, "SELECT seq, cardinality(nows) FROM batch_log ORDER BY 1") == [(1, 11), (2, 11)]


def test_a_tick_on_which_something_was_decided_is_logged(store, database):
    commit(store, tick(T0), Changes(answers=(Answer(1),)))
    assert rows(database, "SELECT seq FROM batch_log") == [(1,)]


def test_latest_values_follow_within_a_flush(store, database):
    commit(store, unit(batch([(1, 0, 1.0), (1, 1, 2.0), (2, 0, 5.0)])))
    commit(store, unit(late([(1, 0.5, 7.0)])))
    store.flush()
    commit(store, unit(batch([(2, 3, 6.0)]), now=T0 + 4 * SECOND))
    store.flush()
    assert rows(database, "SELECT series_id, value FROM latest ORDER BY 1") == [(1, 2.0), (2, 6.0)]
    assert rows(database, "SELECT extract(epoch FROM arrived)::int8 FROM latest WHERE series_id = 2") == [
        ((T0 + 4 * SECOND) // SECOND,)
    ]


def test_a_latest_value_never_goes_back_even_when_high_water_marks_were_lost(store, database):
    commit(store, unit(batch([(1, 10, 1.0), (2, 10, 1.0)])))
    store.flush()
    commit(store, unit(batch([(1, 5, 0.5), (2, 12, 1.2)])))
    store.close()
    again, _log = opened(database)
    commit(again, unit(batch([(1, 6, 0.6), (2, 11, 1.1)])))
    again.close()
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE batch_log")
    fresh, _log = opened(database)
    commit(fresh, unit(batch([(1, 7, 0.7), (2, 13, 1.3)])))
    fresh.close()
    assert rows(database, "SELECT series_id, value FROM latest ORDER BY 1") == [(1, 1.0), (2, 1.3)]


def test_two_who_need_a_new_partition_at_once_make_it_once(store, database):
    """Housekeeping is making the day while a unit needs it: the unit waits for that, and uses it."""
    day = np.array([T0_DAY])
    with psycopg.connect(database) as housekeeping, ThreadPoolExecutor() as pool:
        Partitions().ensure(housekeeping, "sample", day)
        committed = pool.submit(commit, store, unit(batch([(1, 0, 1.0)])))
        with pytest.raises(TimeoutError):
            committed.result(0.2)
        housekeeping.commit()
        outcome = committed.result(20)
    assert (outcome.stored, outcome.asked_all) == ({1: 1}, False)


def test_the_ledger_is_the_same_before_and_after_it_is_brought_up_to_date(store, database):
    for n in range(5):
        commit(store, unit(batch([(1, n, 1.0), (6, n, 1.0)])))
        assert ledger(database) == {1: (n + 1, n + 1, 0, 0), 3: (n + 1, n + 1, 0, 0)}
        if n % 2:
            store.flush()
            assert rows(database, "SELECT seq FROM mark WHERE name = 'ledger'") == [(n + 1,)]
    store.close()
    assert rows(database, "SELECT gateway, received, stored FROM gateway_ledger ORDER BY 1") == [
        (1, 5, 5),
        (3, 5, 5),
    ]
