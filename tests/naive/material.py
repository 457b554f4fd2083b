"""Random material for detectors: batches of many shapes, and events as plain lines to compare."""

import math

import numpy as np

from core.batch import HISTORICAL, Batch, Quality

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def lines(events):
    """Events as tuples; NaN becomes None, so that lines can be compared."""
    columns = [getattr(events, name).tolist() for name in events.__slots__]
    return [
        tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row)
        for row in zip(*columns, strict=True)
    ]


def same_state(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def close_state(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-9, err_msg=name)


class Stream:
    """Batches that follow each other: per series, time only goes on."""

    def __init__(self, seed, *, low=0.0, high=100.0, step_s=10, dirty=True):
        self.rng = np.random.default_rng(seed)
        self.low, self.high, self.step_s, self.dirty = low, high, step_s, dirty
        self.clock = {}
        self.level = {}

    def batch(self, series):
        """One reading for every entry of `series` (keys may repeat)."""
        rng = self.rng
        series = np.sort(np.asarray(series, np.int32))
        n = len(series)
        gap = rng.integers(1, self.step_s, n) * SECOND
        gap[rng.random(n) < 0.03] *= 40
        t = np.empty(n, np.int64)
        value = rng.uniform(self.low, self.high, n)
        for i, key in enumerate(series.tolist()):
            t[i] = self.clock[key] = self.clock.get(key, START) + int(gap[i])
            # Half of the time near the last value, so that conditions last.
            if rng.random() < 0.7:
                value[i] = self.level.get(key, value[i])
            self.level[key] = value[i]
        quality = np.full(n, Quality.GOOD, np.uint8)
        if self.dirty:
            value = self._spoil(value)
            quality = rng.choice(np.array([0, 1, 2, 2, 2, 2], np.uint8), n)
            quality[rng.random(n) < 0.2] |= HISTORICAL
        return Batch(series, t, value, quality)

    def _spoil(self, value):
        wild = self.rng.choice([math.nan, math.inf, -math.inf, 1e15, -1e15], len(value))
        return np.where(self.rng.random(len(value)) < 0.04, wild, value)


def joined(*batches):
    """Several batches as one, ordered by (series, t)."""
    columns = [np.concatenate([getattr(b, name) for b in batches]) for name in Batch.__slots__]
    return Batch.of(*columns)


def shape(rng, name, scale=1):
    """Series keys of one batch: n readings of one shape."""
    if name == "wide":
        return np.arange(1, 1 + 2000 // scale)
    if name == "tens":
        return np.repeat(np.arange(1, 1 + 200 // scale), 10)
    if name == "thousands":
        return np.repeat(np.arange(1, 4), 1000 // scale)
    if name == "one":
        return np.full(3000 // scale, 5)
    return np.minimum(rng.zipf(1.3, 2000 // scale), 500)


SHAPES = ["wide", "tens", "thousands", "one", "zipf"]
