"""Batch: what flows from ingest through the detectors into the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Quality(IntEnum):
    """How far a sample can be trusted; the low two bits of `Batch.quality`."""

    BAD = 0
    UNCERTAIN = 1
    GOOD = 2


QUALITY_MASK = np.uint8(0x03)
# Older than what its series already saw: stored, hidden from the detectors (law 5).
LATE = np.uint8(0x10)
# In order, but it arrived long after it was measured: detectors see it, nobody is paged for it (law 5).
HISTORICAL = np.uint8(0x20)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N samples as read-only columns, ordered by (series, t).

    series  : int32[N]    the series' primary key in the registry; never reused, so it is a row for ever
    t       : int64[N]    event time, ns since 1970-01-01T00:00Z
    value   : float64[N]  in the unit of the series; NaN = nothing usable
    quality : uint8[N]    `Quality` in the low two bits, and the flags LATE and HISTORICAL
    """

    series: NDArray[np.int32]
    t: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for column in (self.series, self.t, self.value, self.quality):
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.series)

    @classmethod
    def empty(cls) -> Batch:
        """Return a batch without samples: time passes, nothing was measured."""
        return cls(
            np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8)
        )

    @classmethod
    def of(
        cls,
        series: NDArray[np.int32],
        t: NDArray[np.int64],
        value: NDArray[np.float64],
        quality: NDArray[np.uint8] | None = None,
    ) -> Batch:
        """Return a batch from columns in any order; rows of one instant keep their order of arrival."""
        if quality is None:
            quality = np.full(len(series), Quality.GOOD, np.uint8)
        order = np.lexsort((t, series))
        return cls(
            series[order].astype(np.int32),
            t[order].astype(np.int64),
            value[order].astype(np.float64),
            quality[order].astype(np.uint8),
        )

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Batch:
        """Return the chosen rows, in the same order."""
        return Batch(self.series[rows], self.t[rows], self.value[rows], self.quality[rows])

    def live(self) -> Batch:
        """Return what detectors may see: everything but LATE rows; self when there are none."""
        late = (self.quality & LATE) != 0
        return self.take(~late) if late.any() else self

    def runs(self) -> Iterator[tuple[int, slice]]:
        """Yield (series, its rows) in order."""
        if not len(self):
            return
        starts = np.flatnonzero(np.r_[True, self.series[1:] != self.series[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(self)], strict=True):
            yield int(self.series[start]), slice(int(start), int(end))
