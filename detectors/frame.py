"""Frame: a batch cut into runs of one series, once, for all detectors of a bank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.batch import QUALITY_MASK, Batch, Quality


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """N rows as R runs, each of one series in order of time.

    series int32[R] · start, count intp[R]: run r is rows start[r] … start[r]+count[r]-1 of batch
    """

    batch: Batch
    series: NDArray[np.int32]
    start: NDArray[np.intp]
    count: NDArray[np.intp]

    @classmethod
    def of(cls, batch: Batch) -> Runs:
        """Return the runs of an ordered batch."""
        if not len(batch):
            return cls(batch, batch.series, np.empty(0, np.intp), np.empty(0, np.intp))
        inner = (batch.series[1:] != batch.series[:-1]).nonzero()[0]
        bounds = np.empty(len(inner) + 2, np.intp)
        bounds[0], bounds[-1] = 0, len(batch)
        np.add(inner, 1, out=bounds[1:-1])
        start, count = bounds[:-1], bounds[1:] - bounds[:-1]
        return cls(batch, batch.series[start], start, count)

    def __len__(self) -> int:
        return len(self.series)

    def pieces(self, most: int) -> Iterator[Runs]:
        """Yield the same rows in waves, a run at most once and with at most `most` rows in each, in order of time."""
        longest = int(np.maximum.reduce(self.count, initial=0))
        if longest <= most:
            yield self
            return
        yield Runs(self.batch, self.series, self.start, np.minimum(self.count, most))
        long = np.flatnonzero(self.count > most)
        for done in range(most, longest, most):
            long = long[self.count[long] > done]
            rest = np.minimum(self.count[long] - done, most)
            yield Runs(self.batch, self.series[long], self.start[long] + done, rest)

    def rows_of(self, runs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of the chosen runs, run after run; a run may be chosen more than once."""
        count = self.count[runs]
        offset = self.start[runs] - (np.cumsum(count) - count)
        return np.repeat(offset, count) + np.arange(int(count.sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A batch twice: every row that arrived, and the rows whose value may be used (not NaN, not BAD)."""

    arrived: Runs
    usable: Runs

    @classmethod
    def of(cls, batch: Batch) -> Frame:
        """Return the frame of a batch; both halves are one object when every row is usable."""
        arrived = Runs.of(batch)
        usable = (batch.quality & QUALITY_MASK) != np.uint8(Quality.BAD)
        usable &= batch.value == batch.value  # not NaN
        every = np.count_nonzero(usable) == len(batch)
        return cls(arrived, arrived if every else Runs.of(batch.take(usable)))
