"""A restart finds the newest checkpoint and the log since; damaged checkpoints and holes in the log are found out."""

import numpy as np
import psycopg
import pytest
from storage_case import IMPATIENT, T0, batch, commit, late, opened, rows, tick, unit

from core.batch import LATE
from core.time import HOUR, MINUTE, SECOND
from storage.errors import BrokenError
from storage.store import Store


def state_of(n):
    """A state that says what it is, of every kind of array that detectors have."""
    return {
        "bank/level": np.full(5, n, np.uint8),
        "bank/sum": np.arange(n, dtype=np.float64).reshape(-1, 1),
        "bank/none": np.empty((0, 3), np.int64),
        "bank/names": np.array(["D-02", "烟"]),
        "bank/rows": np.array([(1, 2.5)], [("a", "<i4"), ("b", "<f8")]),
        "order/on": np.array([True, False]),
    }


def assert_same_state(state, expected):
    assert sorted(state) == sorted(expected)
    for name, array in expected.items():
        assert state[name].dtype == array.dtype
        assert state[name].shape == array.shape
        assert state[name].tobytes() == array.tobytes()


def fill(store, n, start=0):
    for k in range(start, start + n):
        commit(store, unit(batch([(1, k, float(k)), (6, k, -float(k))])))


def test_an_empty_database_has_no_state(database):
    with_store = Store(database, IMPATIENT)
    restored = with_store.restore()
    assert (restored.seq, restored.state, restored.meta, restored.now) == (0, None, {}, 0)
    assert list(restored.log) == []
    with_store.close()


def test_committing_before_the_log_was_read_is_refused(database):
    store = Store(database, IMPATIENT)
    with pytest.raises(RuntimeError, match="restore"):
        commit(store, tick(T0))
    store.close()


def test_the_log_brings_back_what_was_committed(database):
    store, _log = opened(database)
    mixed = batch([(1, 0, float("nan")), (1, 1, 2.0), (1, 1, 3.0)], [0, 2, 2 | int(LATE)])
    commit(store, tick(T0 - SECOND))
    commit(store, unit(mixed, now=T0 + 7))
    commit(store, unit(batch([]), duplicates={1: 1}, now=T0 + 9, connected=False))
    store.close()
    store, log = opened(database)
    assert [(e.seq, e.nows, e.connected) for e in log] == [
        (1, (T0 - SECOND, T0 + 7), True),
        (2, (T0 + 9,), False),
    ]
    for name in ("series", "t", "value", "quality"):
        assert getattr(log[0].batch, name).tobytes() == getattr(mixed, name).tobytes()
    assert log[0].was_there.tolist() == [False, False, True]
    assert len(log[1].batch) == 0
    assert commit(store, unit(batch([(1, 5, 1.0)]))).seq == 3
    store.close()


def test_a_checkpoint_brings_back_every_array_and_shortens_the_log(database):
    store, _log = opened(database)
    fill(store, 3)
    store.checkpoint(3, state_of(3), meta={"catalog": "abc"}, wait=True)
    fill(store, 2, start=3)
    store.close()
    again = Store(database, IMPATIENT)
    restored = again.restore()
    assert (restored.seq, restored.meta, restored.now) == (3, {"catalog": "abc"}, T0 + 3 * SECOND)
    assert [entry.seq for entry in restored.log] == [4, 5]
    assert_same_state(restored.state, state_of(3))
    again.close()


def test_two_checkpoints_are_kept_and_the_log_behind_the_older(database):
    store, _log = opened(database)
    for n in range(1, 5):
        fill(store, 2, start=2 * n)
        store.checkpoint(store.seq, state_of(n), wait=True)
    assert rows(database, "SELECT seq FROM checkpoint ORDER BY 1") == [(6,), (8,)]
    assert rows(database, "SELECT min(seq), max(seq) FROM batch_log") == [(7, 8)]
    store.close()


def test_a_checkpoint_of_the_same_unit_takes_the_place_of_the_last(database):
    store, _log = opened(database)
    fill(store, 1)
    store.checkpoint(1, state_of(1), wait=True)
    store.checkpoint(1, state_of(2), wait=True)
    store.close()
    again = Store(database, IMPATIENT)
    assert_same_state(again.restore().state, state_of(2))
    again.close()
    assert rows(database, "SELECT count(*) FROM checkpoint") == [(1,)]


def test_a_large_state_is_kept_in_chunks(database):
    store, _log = opened(database)
    big = {"bank/big": np.random.default_rng(1).integers(0, 255, 40 * 2**20, dtype=np.uint8)}
    store.checkpoint(0, big, wait=True)
    store.close()
    again = Store(database, IMPATIENT)
    assert_same_state(again.restore().state, big)
    again.close()
    assert rows(database, "SELECT count(*), max(length(data)) FROM checkpoint_chunk") == [(3, 16 * 2**20)]


def test_state_that_is_not_plain_data_is_refused(database):
    store, _log = opened(database)
    with pytest.raises(ValueError, match="objects cannot be kept"):
        store.checkpoint(0, {"bank/x": np.array([object()])}, wait=True)
    store.close()


def test_a_checkpoint_of_another_moment_is_refused(database):
    store, _log = opened(database)
    with pytest.raises(ValueError, match="between two commits"):
        store.checkpoint(7, state_of(1), wait=True)
    store.close()


DAMAGES = {
    "a byte changed": "UPDATE checkpoint_chunk SET data = set_byte(data, 9, get_byte(data, 9) # 1) WHERE seq = 4",
    "a chunk missing": "DELETE FROM checkpoint_chunk WHERE seq = 4",
    "a chunk cut": "UPDATE checkpoint_chunk SET data = substr(data, 1, 20) WHERE seq = 4",
    "the size wrong": "UPDATE checkpoint SET size = size + 1 WHERE seq = 4",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_behind_a_damaged_checkpoint_the_older_one_and_a_longer_log_are_used(database, damage):
    store, _log = opened(database)
    fill(store, 2)
    store.checkpoint(2, state_of(2), wait=True)
    fill(store, 2, start=2)
    store.checkpoint(4, state_of(4), wait=True)
    fill(store, 1, start=4)
    store.close()
    with psycopg.connect(database) as connection:
        connection.execute(damage)
    again = Store(database, IMPATIENT)
    restored = again.restore()
    assert (restored.seq, [entry.seq for entry in restored.log]) == (2, [3, 4, 5])
    assert_same_state(restored.state, state_of(2))
    commit(again, unit(batch([(1, 9000, 0.0)]), now=T0 + 9 * HOUR))
    again.close()
    assert rows(database, "SELECT sum(n) FROM rollup_1h") == [(11,)]


def test_a_hole_in_the_log_is_not_passed_over(database):
    store, _log = opened(database)
    fill(store, 3)
    store.close()
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM batch_log WHERE seq = 2")
    again = Store(database, IMPATIENT)
    with pytest.raises(BrokenError, match="has no seq 2, though 3 was committed"):
        list(again.restore().log)
    again.close()


def test_a_log_that_was_cut_at_its_end_is_found_out(database):
    store, _log = opened(database)
    fill(store, 2)
    store.checkpoint(2, state_of(2), wait=True)
    fill(store, 2, start=2)
    store.close()
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM batch_log WHERE seq = 4")
    again = Store(database, IMPATIENT)
    with pytest.raises(BrokenError, match="has no seq 4, though 4 was committed"):
        list(again.restore().log)
    again.close()


def test_emptying_checkpoint_and_log_starts_afresh_and_forgets_no_counts(database):
    store, _log = opened(database)
    fill(store, 3)
    store.checkpoint(3, state_of(3), wait=True)
    store.close()
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE checkpoint, checkpoint_chunk, batch_log")
    again, log = opened(database)
    assert (again.seq, log) == (3, [])
    fill(again, 1, start=3)
    commit(again, unit(batch([(1, 9000, 0.0)]), now=T0 + 9 * HOUR))
    again.close()
    assert rows(database, "SELECT gateway, stored FROM gateway_ledger ORDER BY 1") == [(1, 5), (3, 4)]
    # The three units' sums that were still open went with the checkpoint; from here on everything counts.
    assert rows(database, "SELECT sum(n) FROM rollup_1h") == [(3,)]


def test_silent_ticks_that_a_checkpoint_has_seen_are_not_replayed_after_it(database):
    store, _log = opened(database)
    fill(store, 1)
    commit(store, tick(T0 + 10 * SECOND))
    store.checkpoint(1, state_of(1), wait=True)
    commit(store, tick(T0 + 11 * SECOND))
    commit(store, unit(batch([(1, 12, 1.0)]), now=T0 + 12 * SECOND))
    store.close()
    _store, log = opened(database)
    assert [entry.nows for entry in log] == [(T0 + 11 * SECOND, T0 + 12 * SECOND)]
    _store.close()


def test_silent_ticks_of_a_checkpoint_are_not_lost_to_the_unit_after_a_restart(database):
    """Crash after the checkpoint, before the next unit: the ticks are in the checkpoint alone, and in no row twice."""
    store, _log = opened(database)
    fill(store, 1)
    commit(store, tick(T0 + 10 * SECOND))
    store.checkpoint(1, state_of(1), wait=True)
    store.close()
    store, log = opened(database)
    assert log == []
    commit(store, unit(batch([(1, 12, 1.0)]), now=T0 + 12 * SECOND))
    store.close()
    store, log = opened(database)
    assert [entry.nows for entry in log] == [(T0 + 12 * SECOND,)]
    store.close()
    assert rows(database, "SELECT nows FROM batch_log WHERE seq = 2") == [
        ([T0 + 10 * SECOND, T0 + 12 * SECOND],)
    ]


def test_a_checkpoint_without_waiting_is_written_beside_the_commits(database):
    store, _log = opened(database)
    fill(store, 1)
    store.checkpoint(1, state_of(1))
    fill(store, 5, start=1)
    store.close()
    assert rows(database, "SELECT seq FROM checkpoint") == [(1,)]


def test_derived_tables_are_made_again_from_the_log(database):
    """The process dies before anything derived was written: nothing of it is missing afterwards, nothing twice."""
    store, _log = opened(database)
    fill(store, 2)
    store.flush()
    for k in range(2, 200):
        commit(store, unit(batch([(1, k, float(k)), (6, k, -float(k))]), now=T0 + k * SECOND))
    commit(store, unit(late([(1, 0.5, 100.0), (1, 1.0, 100.0)]), now=T0 + 20 * MINUTE))  # one new, one not
    abandon(store)
    store, _log = opened(database)
    store.flush()
    assert rows(database, "SELECT series_id, value FROM latest ORDER BY 1") == [(1, 199.0), (6, -199.0)]
    assert rows(database, "SELECT series_id, sum(n)::int, sum(sum) FROM rollup_1m GROUP BY 1 ORDER BY 1") == [
        (1, 201, 100.0 + sum(range(200))),
        (6, 200, -float(sum(range(200)))),
    ]
    assert rows(database, "SELECT gateway, stored FROM gateway_ledger ORDER BY 1") == [(1, 201), (3, 200)]
    store.close()


def abandon(store):
    """End a store as a killed process would: its sessions are gone, nothing was flushed."""
    store._derived._closed = True
    store._derived._thread.shutdown()
    for connection in (store._connection, store._derived._connection):
        if connection is not None:
            connection.close()
