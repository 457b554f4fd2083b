"""The score and the chart say what their naive twins say."""

import numpy as np
import pytest
from naive.material import SECOND, START, Stream, shape
from naive.naive_anomaly import NaiveScore
from naive.naive_pca import NaiveChart

from core.batch import Batch, Quality
from detectors.anomaly import Anomaly, Watched
from detectors.anomaly_score import Tuning
from detectors.pca import Devices, Pca
from detectors.pca_chart import Memory, advance
from detectors.pca_chart import Tuning as PcaTuning

SMALL = Tuning(window=8, lags=12, memory=60)


def signals(kind, n, rng):
    """Series of very different manners."""
    walk = np.cumsum(rng.normal(size=n))
    daily = 50 + 30 * np.sin(np.arange(n) / 9.0) + rng.normal(size=n)
    return {
        "noise": rng.normal(size=n),
        "offset": 1e8 + rng.normal(size=n),
        "walk": walk,
        "daily": daily,
        "flat": np.full(n, 7.25),
        "flat then moving": np.r_[np.full(n // 2, 3.0), rng.normal(size=n - n // 2)],
        "counts": rng.poisson(1.0, n).astype(float),
        "spikes": rng.normal(size=n) + (rng.random(n) < 0.02) * 1e15,
        "wild": rng.choice([0.0, -0.0, 5e-324, 1e15, -1e15, np.inf, -np.inf, 1.0], n),
        "step": np.r_[rng.normal(size=n // 2), 20 + rng.normal(size=n - n // 2)],
    }[kind]


KINDS = ["noise", "offset", "walk", "daily", "flat", "flat then moving", "counts", "spikes", "wild", "step"]


@pytest.mark.parametrize("tuning", [SMALL, Tuning()], ids=["small", "default"])
@pytest.mark.parametrize("kind", KINDS)
def test_score_equals_its_twin(kind, tuning):
    values = signals(kind, 700, np.random.default_rng(5))
    twin = NaiveScore(tuning.window, tuning.lags, tuning.memory, tuning.smoothing)
    slow = [twin.advance(x) for x in values.tolist()]
    detector = Anomaly(Watched.of(np.array([3], np.int32)), tuning=tuning)
    fast = detector.scores(Batch.of(np.full(700, 3), START + np.arange(700) * SECOND, values))
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-9)
    assert np.isnan(fast[:60]).all()
    assert not np.isnan(fast[60:]).any()


@pytest.mark.parametrize("name", ["wide", "tens", "thousands", "one", "zipf"])
def test_scores_of_many_series_in_one_batch_equal_the_twins(name):
    rng = np.random.default_rng(1)
    known = np.arange(0, 2100, 3, dtype=np.int32)
    detector = Anomaly(Watched.of(known), tuning=SMALL)
    twins = {key: NaiveScore(8, 12, 60) for key in known.tolist()}
    stream = Stream(2, dirty=False)
    warm_up = np.repeat(known[:20], 65)
    for series in (warm_up, shape(rng, name, scale=4), shape(rng, name, scale=4)):
        batch = stream.batch(series)
        rows = zip(batch.series.tolist(), batch.value.tolist(), strict=True)
        slow = [twins[key].advance(x) if key in twins else np.nan for key, x in rows]
        np.testing.assert_allclose(detector.scores(batch), slow, rtol=0, atol=1e-9)


def plant(rng, n, n_signals=4):
    """Rows of correlated signals, one of them drifting, one that never moves, with shifts."""
    common = rng.normal(size=(n, 1))
    x = common * [1.0, 0.8, 0.0, 0.0] + rng.normal(size=(n, 4)) * [0.3, 0.3, 1.0, 0.1]
    x[:, 3] = np.cumsum(x[:, 3])
    x[n // 2 : n // 2 + 40, 0] += 6.0
    x[3 * n // 4 :, 2] += 9.0
    return np.c_[x[:, : n_signals - 1], np.full(n, 5.0)] if n_signals < 5 else np.c_[x, np.full(n, 5.0)]


@pytest.mark.parametrize("tuning", [
    PcaTuning(learn=60, hold=5), PcaTuning(learn=60, hold=5, share=0.6), PcaTuning(learn=30, hold=2, sigma=4.0, slow=0.1),
])  # fmt: skip
def test_chart_equals_its_twin(tuning):
    rng = np.random.default_rng(3)
    plants = [plant(rng, 400, 5) for _ in range(4)]
    twins = [NaiveChart(tuning) for _ in plants]
    memory = Memory.empty(4, 5)
    raised = 0
    for i in range(400):
        lane = np.flatnonzero(rng.random(4) < 0.9) if i < 300 else np.arange(4)
        if not len(lane):
            continue
        rows = np.array([plants[d][i] for d in lane])
        ratio, _ = advance(memory, lane, rows, tuning)
        slow = [twins[d].advance(row) for d, row in zip(lane, rows, strict=True)]
        np.testing.assert_allclose(ratio, [r for r, _ in slow], rtol=1e-7, atol=1e-9)
        assert memory.alarm[lane].tolist() == [a for _, a in slow]
        raised += int(memory.alarm.any())
    assert raised > 20


def test_pca_finds_the_same_in_batches_of_any_cut_as_row_by_row():
    rng = np.random.default_rng(4)
    tuning = PcaTuning(learn=60, hold=5)
    keys = np.array([[3, 5, 9, 11, 12], [4, 6, 7, 20, 21]], np.int32)
    devices = Devices(
        np.array([1, 2], np.int32), np.zeros(2, np.int32), np.ones(2, np.uint8), keys, np.ones(2)
    )
    plants = [plant(rng, 300, 5), plant(rng, 300, 5)]
    t = START + np.arange(300) * SECOND
    series = np.concatenate([np.repeat(keys[d][None], 300, 0).ravel() for d in range(2)])
    value = np.concatenate([p.ravel() for p in plants])
    quality = np.full(len(value), Quality.GOOD, np.uint8)
    quality[rng.random(len(value)) < 0.01] = Quality.BAD
    times = np.tile(np.repeat(t, 5), 2)
    order = np.argsort(times, kind="stable")
    whole = Pca(devices, tuning).step(Batch.of(series, times, value, quality), 0)
    cut = Pca(devices, tuning)
    found = []
    for part in np.array_split(order, 97):
        found += cut.step(Batch.of(series[part], times[part], value[part], quality[part]), 0).t.tolist()
    assert len(whole) >= 4
    assert sorted(found) == whole.t.tolist()
