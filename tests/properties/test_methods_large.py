"""Every method equals its naive twin at 100,000 readings, dirty and out of order, one shape of batch per method."""

import numpy as np
import pytest
from naive.cases import CASES
from naive.material import SECOND, START, lines
from naive.naive_methods import NaiveStatistics
from naive.naive_threshold import NaiveThreshold

from core.batch import Batch
from core.events import Rule
from detectors.bank import Bank
from detectors.methods import OPERATORS
from detectors.plan import Derived, Plan, Thresholds
from ingest.columns import Rows
from ingest.order import Order

N = 100_000
SHAPES = {
    "100k x 1": np.arange(1, N + 1),
    "10k x 10": np.repeat(np.arange(1, 10_001), 10),
    "100 x 1000": np.repeat(np.arange(1, 101), 1000),
    "1 x 100k": np.full(N, 1),
    "zipf": np.sort(np.minimum(np.random.default_rng(0).zipf(1.3, N), 5000)),
}
# Sums over a window with 1e15 in them depend on the order of adding: these see a spike of 1e6 instead.
ADDING = {"slope", "mean", "seasonal", "ewma", "cusum"}


def arrival(series, seed, spike):
    """Rows in order of arrival: late ones, repeats, flat runs, spikes, NaN."""
    rng = np.random.default_rng(seed)
    n = len(series)
    first = np.r_[True, series[1:] != series[:-1]]
    since = np.arange(n) - np.maximum.accumulate(np.where(first, np.arange(n), 0))
    t = START + seed * 10**6 * SECOND + since * 10 * SECOND + rng.integers(0, 5, n) * SECOND
    value = np.round(rng.uniform(0, 100, n), 1)
    flat = (rng.random(n) < 0.6) & ~first
    value[flat] = value[np.maximum.accumulate(np.where(flat, 0, np.arange(n)))[flat]]
    value[rng.random(n) < 0.01] = np.nan
    value[rng.random(n) < 0.005] = spike
    t[rng.random(n) < 0.02] -= 1000 * SECOND
    take = np.sort(np.r_[np.arange(n), rng.integers(0, n, n // 50)])
    take[rng.random(len(take)) < 0.02] = rng.integers(0, n)
    return series[take], t[take], value[take]


def batches(series, spike):
    order, gateway = Order(), np.ones(N + 2, np.int32)
    for seed in (1, 2):
        keys, t, value = arrival(series, seed, spike)
        quality = np.full(len(keys), 2, np.uint8)
        rows = Rows(keys.astype(np.int32), t, value, quality, (), {})
        yield order.step(rows, gateway, int(t.max())).batch.live()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "shape"), [(m, list(SHAPES)[n % 5]) for n, m in enumerate(OPERATORS)])
def test_flags_at_100k_readings_equal_those_of_the_twin(method, shape):
    series = SHAPES[shape]
    keys = np.unique(series).astype(np.int32)
    params, limit = CASES[method]
    given = {name: np.array([v[s % 2] for s in keys]) for name, v in params.items()}
    row = {"rule": 0, "level": 2, "high": True, "limit": limit, "deadband": 1.0}
    limits = Thresholds.rows([{**row, "series": n} for n in range(len(keys))])
    fast = Bank(Plan(rules=(Rule("D", "", ""),), derived=(Derived(method, keys, given, limits),)))
    defaults = OPERATORS[method].params
    slow = NaiveStatistics(method, lambda s: {**defaults, **{k: float(v[s % 2]) for k, v in params.items()}})
    rest = {"on_delay": 0, "off_delay": 0, "max_gap": 0}
    alarms = NaiveThreshold([{**row, **rest, "series": s} for s in keys.tolist()])
    found = 0
    for batch in batches(series, 1e6 if method in ADDING else 1e15):
        statistic = np.array(slow.step(batch))
        expected = alarms.step(Batch(batch.series, batch.t, statistic, batch.quality), 0)
        events = lines(fast.step(batch, 0))
        assert [e[:8] for e in events] == [
            (r, k, lv, 1, s, s, t, since) for t, r, s, k, lv, since, *_ in expected
        ]
        got = np.clip([e[8] for e in events], -1e15, 1e15)  # as the twin's alarms do
        np.testing.assert_allclose(got, [e[6] for e in expected], rtol=1e-9, atol=1e-9)
        found += len(events)
    assert found or shape == "100k x 1"
