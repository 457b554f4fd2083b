"""Every method equals its naive twin: statistic by statistic, and event by event behind a limit."""

import numpy as np
import pytest
from naive.cases import CASES
from naive.material import SHAPES, Stream, lines, shape
from naive.naive_methods import NaiveStatistics
from naive.naive_threshold import NaiveThreshold

from core.batch import Batch
from core.events import Rule
from detectors.bank import Bank
from detectors.frame import Runs
from detectors.methods import OPERATORS
from detectors.plan import Derived, Plan, Thresholds
from detectors.pool import Pool, Slot

N = 2100
every_method = pytest.mark.parametrize("method", OPERATORS)


def params(method):
    return {name: np.array([v[s % 2] for s in range(N)]) for name, v in CASES[method][0].items()}


def bank(method):
    limits = Thresholds.rows(
        [{"rule": 0, "series": s, "level": 2, "limit": CASES[method][1], "deadband": 1.0} for s in range(N)]
    )
    table = Derived(method, np.arange(N, dtype=np.int32), params(method), limits)
    return Bank(Plan(rules=(Rule("D", "", ""),), derived=(table,)))


def twin(method):
    given = params(method)
    defaults = OPERATORS[method].params
    return NaiveStatistics(method, lambda s: {**defaults, **{k: float(v[s]) for k, v in given.items()}})


def pool_of(method):
    """Every statistic is wanted, as of an alarm that is present."""
    pool = Pool([Slot(OPERATORS[method], params(method))], np.arange(N, dtype=np.int32), 0)
    pool.wake(np.arange(N), np.ones(N, bool))
    return pool


def statistics(pool, batch):
    """The statistic of every usable row, by the pool alone."""
    found = np.full(len(batch), np.nan)
    usable = np.flatnonzero(((batch.quality & 3) != 0) & ~np.isnan(batch.value))
    if not len(usable):
        return found
    value = np.clip(batch.value[usable], -1e15, 1e15)
    runs = Runs.of(Batch(batch.series[usable], batch.t[usable], value, batch.quality[usable]))
    lane = runs.series.astype(np.intp)
    row_of = {(int(s), int(t)): i for i, (s, t) in enumerate(zip(batch.series, batch.t, strict=True))}
    for samples in pool.advance(runs, np.arange(len(runs)), lane, longest=8 + len(usable) // 800):
        series = np.repeat(samples.channel, samples.count)
        for s, t, y in zip(series.tolist(), samples.t.tolist(), samples.value.tolist(), strict=True):
            found[row_of[s, t]] = y
    return found


def tame(batch):
    """Without what makes two roundings of one formula differ: sums with 1e15 in them."""
    return Batch(batch.series, batch.t, np.clip(batch.value, -1e6, 1e6), batch.quality)


@every_method
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("wild", [False, True])
def test_the_statistic_equals_its_twin(method, name, wild):
    rng = np.random.default_rng(7)
    pool, slow, stream = pool_of(method), twin(method), Stream(11)
    for _ in range(5):
        batch = stream.batch(shape(rng, name))
        if not wild:
            batch = tame(batch)
        fast, expected = statistics(pool, batch), np.array(slow.step(batch))
        np.testing.assert_array_equal(np.isnan(fast), np.isnan(expected))
        known = ~np.isnan(fast)
        # Where spikes of 1e15 cancel in a window, what is left of them depends on the order of adding.
        atol = 1e2 if wild and method in {"slope", "mean"} else 1e-9
        np.testing.assert_allclose(fast[known], expected[known], rtol=1e-9, atol=atol)


@every_method
@pytest.mark.parametrize("name", SHAPES)
def test_events_equal_those_of_the_twin(method, name):
    rng = np.random.default_rng(3)
    fast, slow, stream = bank(method), twin(method), Stream(5)
    row = {"rule": 0, "level": 2, "high": True, "limit": CASES[method][1], "deadband": 1.0}
    row |= {"on_delay": 0, "off_delay": 0, "max_gap": 0}
    alarms = NaiveThreshold([{**row, "series": s} for s in range(N)])
    found = 0
    for _ in range(6):
        batch = tame(stream.batch(shape(rng, name)))
        statistic = np.array(slow.step(batch))
        expected = alarms.step(Batch(batch.series, batch.t, statistic, batch.quality), 0)
        events = lines(fast.step(batch, 0))
        assert [e[:8] for e in events] == [
            (r, k, lv, 1, s, s, t, since) for t, r, s, k, lv, since, *_ in expected
        ]
        found += len(events)
    assert found or name == "wide"
