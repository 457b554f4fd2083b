"""One-minute and one-hour sums: what is let go when, and that nothing is counted twice or not at all."""

import numpy as np

from core.batch import LATE, Batch
from core.time import HOUR, MINUTE, SECOND
from storage.latest import Latest
from storage.rollup import Cascade, Parts, Rollup, join, of_batch

T0 = 1_780_000_000 * SECOND // HOUR * HOUR
NONE = np.zeros(0, bool)


def batch(*rows, quality=2):
    series, at_s, value = zip(*rows, strict=True) if rows else ((), (), ())
    return Batch.of(
        np.array(series, np.int32),
        T0 + np.array(at_s, np.int64) * SECOND,
        np.array(value, float),
        np.full(len(rows), quality, np.uint8),
    )


def as_rows(parts):
    """(series, seconds after T0, n, sum, min, max)"""
    columns = (parts.series, (parts.period - T0) // SECOND, parts.n, parts.sum, parts.min, parts.max)
    return [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def step(cascade, seq, batch_, now_s, was_there=None):
    cascade.step(
        seq, batch_, np.zeros(len(batch_), bool) if was_there is None else was_there, T0 + now_s * SECOND
    )


def minutes_of(cascade):
    return as_rows(join([waiting.minutes for waiting in cascade.take()]))


def test_a_minute_leaves_when_its_series_goes_on_to_another():
    cascade = Cascade()
    step(cascade, 1, batch((1, 0, 2.0), (1, 30, 4.0), (2, 10, 1.0)), 31)
    assert minutes_of(cascade) == []
    step(cascade, 2, batch((1, 59, 6.0), (1, 60, 7.0)), 61)
    assert minutes_of(cascade) == [(1, 0, 3, 12.0, 2.0, 6.0)]


def test_a_minute_of_a_silent_series_leaves_by_the_clock_a_minute_after_its_end():
    cascade = Cascade()
    step(cascade, 1, batch((1, 30, 4.0)), 31)
    for seq, now_s in enumerate((61, 119), start=2):
        step(cascade, seq, batch(), now_s)
        assert minutes_of(cascade) == []
    assert cascade.minutes.due(T0 + 121 * SECOND)
    step(cascade, 4, batch(), 121)
    assert minutes_of(cascade) == [(1, 0, 1, 4.0, 4.0, 4.0)]
    assert not cascade.minutes.due(T0 + 300 * SECOND)


def test_several_minutes_in_one_batch_leave_but_for_the_last():
    cascade = Cascade()
    step(cascade, 1, batch(*((1, 20 * k, float(k)) for k in range(10))), 200)
    assert minutes_of(cascade) == [
        (1, 0, 3, 3.0, 0.0, 2.0),
        (1, 60, 3, 12.0, 3.0, 5.0),
        (1, 120, 3, 21.0, 6.0, 8.0),
    ]


def test_a_late_sample_joins_the_sum_of_its_minute_or_makes_a_part_of_its_own():
    cascade = Cascade()
    step(cascade, 1, batch((1, 0, 1.0), (1, 70, 2.0)), 71)
    step(cascade, 2, batch((1, 65, 5.0), quality=2 | int(LATE)), 72)
    step(cascade, 3, batch((1, 5, 9.0), quality=2 | int(LATE)), 73)
    step(cascade, 4, batch((1, 190, 0.0)), 191)
    assert minutes_of(cascade) == [(1, 0, 2, 10.0, 1.0, 9.0), (1, 60, 2, 7.0, 2.0, 5.0)]


def test_only_usable_samples_that_were_new_count():
    cascade = Cascade()
    step(cascade, 1, batch((1, 0, float("nan")), (1, 1, 1.0), (1, 2, 3.0)), 3, np.array([False, False, True]))
    step(cascade, 2, batch((1, 4, 100.0), quality=0), 5)
    step(cascade, 3, batch((1, 6, 8.0), quality=1), 7)
    step(cascade, 4, batch((1, 60, 0.0)), 61)
    assert minutes_of(cascade) == [(1, 0, 2, 9.0, 1.0, 8.0)]


def test_hours_are_let_go_every_five_minutes_so_that_the_present_one_is_shown():
    cascade = Cascade()
    for k in range(12):
        step(cascade, k, batch((1, 60 * k, 1.0)), 60 * k + 1)
    hours = [(w.seq, as_rows(w.hours)) for w in cascade.take() if len(w.hours.series)]
    assert hours == [(5, [(1, 0, 5, 5.0, 1.0, 1.0)]), (10, [(1, 0, 5, 5.0, 1.0, 1.0)])]


def test_a_restored_rollup_goes_on_as_the_first_would():
    one, two = Cascade(), Cascade()
    step(one, 1, batch((1, 0, 2.0), (3, 30, 4.0)), 31)
    two.restore(one.snapshot())
    for cascade in (one, two):
        step(cascade, 2, batch((1, 61, 1.0), (2, 61, 1.0), (3, 59, 1.0), (3, 3600, 1.0)), 3601)
    first, second = one.take(), two.take()
    assert [as_rows(w.minutes) for w in first] == [as_rows(w.minutes) for w in second]
    assert [as_rows(w.hours) for w in first] == [as_rows(w.hours) for w in second]


def test_a_snapshot_is_a_copy():
    cascade = Cascade()
    step(cascade, 1, batch((1, 0, 2.0)), 1)
    before = cascade.snapshot()
    kept = {name: array.copy() for name, array in before.items()}
    step(cascade, 2, batch((1, 1, 9.0), (5, 1, 9.0)), 2)
    assert all(np.array_equal(before[name], kept[name]) for name in kept)


def test_an_empty_batch_has_no_sums():
    assert as_rows(of_batch(batch(), MINUTE)) == []
    assert as_rows(join([])) == []
    assert Rollup(MINUTE, sweep_ns=MINUTE, settle_ns=0).step(join([]), T0) == []


def test_parts_of_one_period_are_joined():
    parts = of_batch(batch((2, 0, 5.0), (1, 0, 1.0)), MINUTE)
    more = of_batch(batch((1, 59, -1.0), (1, 60, 3.0)), MINUTE)
    assert as_rows(join([more, parts])) == [
        (1, 0, 2, 0.0, -1.0, 1.0),
        (1, 60, 1, 3.0, 3.0, 3.0),
        (2, 0, 1, 5.0, 5.0, 5.0),
    ]
    assert isinstance(join([]), Parts)


def test_the_newest_value_of_a_series_is_kept_whatever_comes_later():
    latest = Latest()
    latest.note(batch((1, 10, 1.0), (1, 20, 2.0), (3, 5, 3.0)), T0)
    latest.note(batch((1, 15, 9.0), (3, 6, 4.0)), T0 + 1)
    latest.note(batch((3, 99, 9.0), quality=2 | int(LATE)), T0 + 2)
    newest = latest.take()
    assert list(zip(newest.series.tolist(), newest.value.tolist(), newest.arrived.tolist(), strict=True)) == [
        (1, 2.0, T0),
        (3, 4.0, T0 + 1),
    ]
    assert len(latest.take().series) == 0
    latest.put_back(newest)
    assert latest.take().series.tolist() == [1, 3]
