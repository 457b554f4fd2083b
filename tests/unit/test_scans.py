"""Scans give what a loop over the readings gives, whichever way they take."""

import numpy as np
import pytest

from core.batch import Batch
from detectors.scans import Scans

COUNTS = [1, 7, 32, 33, 500, 2000]


def laid_out(count):
    count = np.array(count)
    n = int(count.sum())
    series = np.repeat(np.arange(len(count), dtype=np.int32), count)
    batch = Batch(series, np.arange(n), np.zeros(n), np.full(n, 2, np.uint8))
    return Scans(batch, np.arange(len(count)), np.cumsum(count) - count, count)


def climbed(z, carried, cap, count):
    """The recurrence itself."""
    s, begin = np.empty_like(z), 0
    for lane, n in enumerate(count):
        now = carried[:, lane]
        for row in range(begin, begin + n):
            now = np.minimum(cap[row], np.maximum(0.0, now + z[:, row]))
            s[:, row] = now
        begin += n
    return s


@pytest.mark.parametrize("counts", [COUNTS, [3000]])
@pytest.mark.parametrize("cap", [1e4, 5.0, None], ids=["never at the cap", "at the cap", "caps that differ"])
@pytest.mark.parametrize("spike", [0.0, 1e15, -1e15, 1e4])
def test_bounded_sums_equal_the_recurrence(counts, cap, spike):
    rng = np.random.default_rng(5)
    n = sum(counts)
    z = rng.normal(-0.3, 1.0, (2, n))
    z[:, n // 2] += spike
    carried = rng.uniform(0, 4, (2, len(counts)))
    caps = np.full(n, cap) if cap else np.repeat(rng.uniform(4, 2e4, len(counts)), counts)
    found = laid_out(counts).climb(z, carried, np.asarray(cap) if cap else caps)
    np.testing.assert_allclose(found, climbed(z, carried, caps, counts), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("counts", [COUNTS, [3000]])
def test_a_running_minimum_begins_again(counts):
    rng = np.random.default_rng(6)
    n = sum(counts)
    values, restart, carried = rng.normal(size=n), rng.random(n) < 0.05, rng.normal(size=len(counts))
    found, row = laid_out(counts).lowest(values, restart, carried), 0
    for lane, count in enumerate(counts):
        low = carried[lane]
        for _ in range(count):
            low = values[row] if restart[row] else min(low, values[row])
            assert found[row] == low
            row += 1
