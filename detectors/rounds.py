"""Rounds: the k-th readings of all lanes side by side, computed step by step, exactly in sequence."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.rows import OUTLIVED, TILE, WINDOW, Floats, History, Judge, Scalar, Source, Spared

# Row k, added to a ring in which slot k is the oldest, makes its oldest values infinite.
_OLDEST = np.zeros((WINDOW, WINDOW))
_OLDEST[np.arange(WINDOW)[:, None], (np.arange(WINDOW)[:, None] + np.arange(OUTLIVED)) % WINDOW] = np.inf


class Rounds:
    """Readings round by round: first those that are the first of their lane, then the second ones …

    Lanes are ordered by how many readings they have, most first, so that round k is about a prefix of them.
    """

    in_rounds = True

    def __init__(
        self, source: Source, lane: NDArray[np.intp], start: NDArray[np.intp], count: NDArray[np.intp]
    ) -> None:
        """Lay out lanes that are runs of a batch; counts descend."""
        self.lane = lane
        self.n_lanes = len(start)
        longest = int(count[0])
        self._every = np.arange(self.n_lanes)
        self._sizes = [self.n_lanes]
        self.row = start
        if longest > 1:
            nth = np.arange(longest)
            more = self.n_lanes - count[::-1].searchsorted(nth, "right")
            self._sizes = more.tolist()
            self._owner = np.concatenate([self._every[:n] for n in self._sizes])
            self.row = start[self._owner] + nth.repeat(more)
        starts = list(accumulate(self._sizes, initial=0))
        self._rounds = [slice(a, b) for a, b in pairwise(starts)]
        if longest > 1:
            self._last = np.array(starts)[count - 1] + self._every
        self.count = count
        self.value = source.value[self.row]
        self.t = source.t[self.row]

    def spread(self, lane: NDArray[Scalar]) -> NDArray[Scalar]:
        return lane if len(self._sizes) == 1 else lane.take(self._owner)

    def before(self, column: NDArray[Scalar], carried: NDArray[Scalar]) -> NDArray[Scalar]:
        if len(self._sizes) == 1:
            return carried
        parts = [carried]
        parts += [column[r.start : r.start + n] for r, n in zip(self._rounds, self._sizes[1:], strict=False)]
        return np.concatenate(parts)

    def first(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        return column[: self.n_lanes]

    def last(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        return column if len(self._sizes) == 1 else column.take(self._last)

    def total(self, column: NDArray[Scalar]) -> NDArray[Any]:
        total: NDArray[Any] = np.array(column, np.int64 if column.dtype == bool else column.dtype)
        for old, r, n in zip(self._rounds, self._rounds[1:], self._sizes[1:], strict=False):
            total[r] += total[old][:n]
        return total

    def affine(self, a: Floats, b: Floats, carried: Floats) -> Floats:
        if len(self._sizes) == 1:
            once = a * carried
            once += b
            return once
        y = np.empty(len(b))
        for r, n in zip(self._rounds, self._sizes, strict=True):
            out = y[r]
            np.multiply(a[r] if a.ndim else a, carried[:n], out=out)
            out += b[r]
            carried = out
        return y

    def climb(self, z: Floats, carried: Floats, cap: Floats) -> Floats:
        s = np.empty_like(z)
        for r, n in zip(self._rounds, self._sizes, strict=True):
            out = s[:, r]
            np.add(carried[:, :n], z[:, r], out=out)
            np.maximum(out, 0.0, out=out)
            np.minimum(out, cap[r] if cap.ndim else cap, out=out)
            carried = out
        return s

    def lowest(self, values: Floats, restart: NDArray[np.bool_], carried: Floats) -> Floats:
        low = np.empty(len(values))
        for r, n in zip(self._rounds, self._sizes, strict=True):
            low[r] = np.where(restart[r], values[r], np.minimum(values[r], carried[:n]))
            carried = low[r]
        return low

    def fill(
        self, values: NDArray[Scalar], written: NDArray[np.bool_], carried: NDArray[Scalar]
    ) -> NDArray[Scalar]:
        filled = np.empty_like(values)
        for r, n in zip(self._rounds, self._sizes, strict=True):
            filled[r] = np.where(written[r], values[r], carried[:n])
            carried = filled[r]
        return filled

    def over_windows(
        self, judge: Judge, values: Floats, history: History, spared: Spared | None = None
    ) -> Floats:
        ring, keep, taken = history.ring, history.keep, history.taken.copy()
        begin, line = self.lane * ring[0].size, ring.reshape(-1)
        y = np.zeros(len(values))
        for r, n in zip(self._rounds, self._sizes, strict=True):
            at = self._every[:n]
            if spared is not None:
                at = self._doubtful(values[r, 0], r.start, taken[:n], ring, spared)
            for tile in range(0, len(at), TILE):
                lanes = at[tile : tile + TILE]
                found = judge(ring.take(self.lane[lanes], axis=0), r.start + lanes)
                y[r.start + lanes] = found
                if spared is not None:
                    loud = lanes[~(np.abs(found) < spared.quiet[lanes])]
                    spared.until[loud], spared.quiet[loud] = 0, -np.inf
            pushed = slice(0, n) if keep is None else keep[r].nonzero()[0]
            slot = taken[:n][pushed] & (WINDOW - 1)
            slot += begin[:n][pushed]
            for m in range(values.shape[1]):
                line[slot + m * WINDOW if m else slot] = values[r, m][pushed]
            taken[:n][pushed] += 1
        return y

    def _doubtful(
        self, x: Floats, first: int, taken: NDArray[np.int64], ring: Floats, spared: Spared
    ) -> NDArray[np.intp]:
        """Return which lanes of a round need an exact result, after fresh bounds where old ones do not do."""
        n = len(x)
        calm = x > spared.above[:n]
        calm &= x < spared.below[:n]
        calm &= taken < spared.until[:n]
        lanes = np.logical_not(calm, out=calm).nonzero()[0]
        doubtful = []
        for tile in range(0, len(lanes), TILE):
            at = lanes[tile : tile + TILE]
            windows, pushed = ring.take(self.lane[at], axis=0)[:, 0], taken[at]
            windows += _OLDEST.take(pushed & (WINDOW - 1), axis=0)
            windows.sort(axis=1)
            above, below = spared.outline(windows, first + at, spared.quiet[at])
            if pushed.min() < WINDOW:
                above[pushed < WINDOW] = np.inf  # not full
            spared.above[at], spared.below[at], spared.until[at] = above, below, pushed + (OUTLIVED + 1)
            fresh = x[at]
            calm = fresh > above
            calm &= fresh < below
            if np.count_nonzero(calm) < len(at):
                doubtful.append(at[~calm])
        return np.concatenate(doubtful) if doubtful else lanes[:0]

    def cells(self, lanes: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        chosen = np.flatnonzero(lanes)
        if len(self._sizes) == 1:
            return chosen, np.ones(len(chosen), np.intp)
        count = self.count[chosen]
        first = np.repeat(np.cumsum(count) - count, count)
        nth = np.arange(len(first)) - first
        starts = np.array([r.start for r in self._rounds])
        return starts[nth] + np.repeat(chosen, count), count

    def any_of(self, column: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = column[: self.n_lanes]
        if len(self._sizes) == 1:
            return found
        found = found.copy()
        for r, n in zip(self._rounds[1:], self._sizes[1:], strict=True):
            found[:n] |= column[r]
        return found
