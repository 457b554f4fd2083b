"""Causality, restart and missing readings of the score and of the chart of a device."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.material import SECOND, START, lines, same_state

from core.batch import HISTORICAL, Batch, Quality
from core.events import Kind
from detectors.anomaly import Anomaly, Watched
from detectors.anomaly_score import Score, Tuning
from detectors.pca import Devices, Pca
from detectors.pca_chart import Tuning as PcaTuning

KEYS = np.array([[1, 2, 3], [5, 6, 0]], np.int32)


def series_of(values, key=1):
    n = len(values)
    return Batch.of(np.full(n, key), START + np.arange(n) * SECOND, np.asarray(values, float))


def score(values, **tuning):
    return Anomaly(Watched.of(np.array([1], np.int32)), tuning=Tuning(**tuning)).scores(series_of(values))


@pytest.mark.parametrize("future", [np.zeros(200), np.full(200, 1e15), np.linspace(-5, 5, 200)])
def test_the_future_changes_no_score_before_it(future):
    past = np.random.default_rng(0).normal(size=400)
    whole, other = score(np.r_[past, np.random.default_rng(1).normal(size=200)]), score(np.r_[past, future])
    np.testing.assert_array_equal(whole[:400], other[:400])
    assert (whole[400:] != other[400:]).any()


@pytest.mark.parametrize("factor", [2.0**-20, 0.5, 4.0, 2.0**30])
def test_units_do_not_matter(factor):
    values = np.random.default_rng(2).normal(size=600) + 20
    np.testing.assert_allclose(score(values), score(values * factor), atol=1e-9)


def test_a_step_is_unusual_and_noise_is_not():
    values = np.random.default_rng(3).normal(size=3000)
    values[2500:2530] += 8.0
    found = score(values)
    assert np.nanmax(found[2500:2540]) > 1.2
    assert np.nanmax(found[60:2500]) < 1.2


def test_a_broken_rhythm_is_unusual_although_every_value_is_ordinary():
    t = np.arange(4000)
    values = np.sin(t / 24 * 2 * np.pi) + np.random.default_rng(4).normal(size=4000) * 0.02
    values[3400:3460] = 0.7 + np.random.default_rng(5).normal(size=60) * 0.02
    found = score(values)
    assert np.nanmax(found[3400:3470]) > 1.3 * np.nanmax(found[1000:3400])


def test_state_of_a_series_is_less_than_three_kilobytes():
    columns = Score(10).memory.columns().values()
    assert sum(column.nbytes for column in columns) / 10 < 3000


def test_missing_readings_are_neither_usual_nor_unusual():
    values = np.random.default_rng(6).normal(size=500)
    plain = score(values)[-1]
    gaps = np.insert(values, [70, 200, 300], np.nan)
    detector = Anomaly(Watched.of(np.array([1], np.int32)))
    batch = series_of(gaps)
    detector.step(batch, 0)
    assert detector.snapshot()["score.smooth"][0] == plain


def test_an_alarm_found_in_historical_readings_is_said_again_when_readings_are_live():
    rng = np.random.default_rng(7)
    values = np.r_[rng.normal(size=500), 15 + rng.normal(size=12)]
    quality = np.full(512, Quality.GOOD, np.uint8)
    quality[400:510] |= HISTORICAL
    batch = Batch.of(np.full(512, 1), START + np.arange(512) * SECOND, values, quality)
    events = Anomaly(Watched.of(np.array([1], np.int32), threshold=1.0)).step(batch, 0)
    assert events.kind.tolist() == [Kind.RAISE, Kind.RAISE]
    assert events.historical.tolist() == [True, False]
    assert events.since[0] == events.since[1] == events.t[0]


def test_after_a_raise_a_series_says_nothing_for_the_refractory_time():
    rng = np.random.default_rng(8)
    values = rng.normal(size=900)
    for start in (400, 450, 800):
        values[start : start + 8] += 12
    raised = {}
    for refractory in (10, 150):
        watched = Watched.of(np.array([1], np.int32), threshold=0.9)
        events = Anomaly(watched, refractory=refractory).step(series_of(values), 0)
        raised[refractory] = ((events.t[events.kind == Kind.RAISE] - START) // SECOND).tolist()
    assert len(raised[10]) == 3
    assert [t // 100 for t in raised[150]] == [4, 8]


def rows_of(n, seed=0):
    """Aligned rows of two devices: three and two signals; a jump in each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) + rng.normal(size=(n, 1))
    x[n // 2 : n // 2 + 30, 1] += 8
    x[2 * n // 3 : 2 * n // 3 + 20, 4] -= 9
    return x


def device_batch(x, keep=None):
    n = len(x)
    keys = KEYS.ravel()
    used = keys > 0
    series, t = np.tile(keys[used], n), np.repeat(START + np.arange(n) * SECOND, used.sum())
    value = x[:, used].ravel()
    keep = np.ones(len(value), bool) if keep is None else keep
    return series[keep], t[keep], value[keep]


def make_pca():
    devices = Devices(
        np.array([7, 9], np.int32), np.zeros(2, np.int32), np.full(2, 2, np.uint8), KEYS, np.ones(2)
    )
    return Pca(devices, PcaTuning(learn=50, hold=4))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(1, 1500), max_size=12))
def test_a_device_is_judged_alike_wherever_batches_and_snapshots_fall(seed, cuts):
    x = rows_of(300, seed)
    keep = np.random.default_rng(seed).random(1500) > 0.004
    series, t, value = device_batch(x, keep)
    whole, cut = make_pca(), make_pca()
    expected = lines(whole.step(Batch.of(series, t, value), 0))
    found = []
    for part in np.split(np.arange(len(t)), sorted(cuts)):
        found += lines(cut.step(Batch.of(series[part], t[part], value[part]), 0))
        again = Pca()
        again.restore(cut.snapshot())
        cut = again
    assert sorted(found, key=str) == sorted(expected, key=str)
    same_state(whole.snapshot(), cut.snapshot())


def test_a_device_event_names_the_signal_that_leads():
    series, t, value = device_batch(rows_of(300))
    events = make_pca().step(Batch.of(series, t, value), 0)
    raised = events.take(events.kind == Kind.RAISE)
    first = {subject: raised.series[raised.subject == subject][0] for subject in (7, 9)}
    assert first == {7: 2, 9: 6}
    assert (raised.value > 1.0).all()
    assert (raised.level == 2).all()


def test_a_row_with_a_missing_signal_is_no_row():
    series, t, value = device_batch(rows_of(200))
    value[series == 2] = np.nan
    detector = make_pca()
    detector.step(Batch.of(series, t, value), 0)
    assert detector.snapshot()["memory.rows"].tolist() == [0, 50]


def test_a_shift_that_stays_is_learned_anew():
    x = rows_of(600)
    x[300:, 0] += 30
    events = make_pca().step(Batch.of(*device_batch(x)), 0)
    mine = events.take(events.subject == 7)
    last = mine.take(np.arange(len(mine))[-1:])
    assert last.kind[0] == Kind.CLEAR
    # Rows 0 to 99 of the alarm, then 50 of learning: it ends with the last of them.
    assert (last.t[0] - last.since[0]) // SECOND == 149


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e15, 0.0, 5e-324])
def test_every_float_is_ordinary_input_of_a_device(value):
    x = rows_of(120)
    x[60:, :] = value
    detector = make_pca()
    detector.step(Batch.of(*device_batch(x)), 0)
    detector.step(Batch.empty(), 1)
    assert np.isfinite(detector.snapshot()["memory.mean"]).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="two devices"):
        Devices(
            np.arange(2, dtype=np.int32),
            np.zeros(2, np.int32),
            np.ones(2, np.uint8),
            np.array([[1, 2], [2, 3]]),
            np.ones(2),
        )
    with pytest.raises(ValueError, match="fewer than two"):
        Devices(
            np.arange(1, dtype=np.int32),
            np.zeros(1, np.int32),
            np.ones(1, np.uint8),
            np.array([[1, 0]]),
            np.ones(1),
        )
    with pytest.raises(ValueError, match="twice"):
        Watched.of(np.array([1, 1], np.int32))
    for wrong in ({"window": 10}, {"memory": 20}, {"smoothing": 0.0}, {"lags": 1}):
        with pytest.raises(ValueError, match="must be"):
            Tuning(**wrong)
    for wrong in ({"learn": 1}, {"share": 0.0}, {"release": 1.0}, {"sigma": 0.0}):
        with pytest.raises(ValueError, match=r"in|above"):
            PcaTuning(**wrong)
