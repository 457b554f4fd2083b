"""Trace: what one method makes of the readings of one series, reading by reading; for people to look at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from detectors.alarm import Samples
from detectors.frame import Frame
from detectors.methods import OPERATORS
from detectors.pool import Pool, Slot
from detectors.rows import Floats

_NOTHING = np.empty(0, np.int64), np.empty(0)


def trace(method: str, params: Mapping[str, float], batch: Batch) -> tuple[NDArray[np.int64], Floats]:
    """Return (t int64[N] ns, statistic float64[N]) of the readings of one series, without unknown ones.

    It begins without having seen anything: what a method remembers from before the batch is not in it.
    """
    runs = Frame.of(batch).usable
    if not len(runs):
        return _NOTHING
    pool = Pool([Slot(OPERATORS[method], params)], runs.series.astype(np.int32), 0)
    pool.wake(np.zeros(1, np.intp), np.ones(1, bool))
    lane = np.zeros(1, np.intp)
    found = list(pool.advance(runs, np.arange(1), lane, longest=8))
    if not found:
        return _NOTHING
    samples = Samples.concat(found)
    return samples.t, samples.value
