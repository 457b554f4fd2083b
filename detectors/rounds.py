"""Rounds: the k-th readings of all lanes side by side, computed step by step, exactly in sequence."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.rows import OUTLIVED, TILE, WINDOW, Floats, History, Judge, Scalar, Source, Spared


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
        sizes = [self.n_lanes]
        if longest > 1:
            at_least = np.cumsum(np.bincount(count, minlength=longest + 1)[::-1])[::-1]
            sizes = at_least[1:].tolist()
            self._nth = np.concatenate([np.arange(n) for n in sizes])
            self.row = start[self._nth] + np.repeat(np.arange(longest), sizes)
        else:
            self.row = start
        bounds = [0]
        for n in sizes:
            bounds.append(bounds[-1] + n)
        self._rounds = [slice(a, b) for a, b in pairwise(bounds)]
        self._sizes = sizes
        self.count = count
        self.value = source.value[self.row]
        self.t = source.t[self.row]

    def spread(self, lane: NDArray[Scalar]) -> NDArray[Scalar]:
        if len(self._sizes) == 1:
            return lane
        if lane.strides[0] == 0:
            return np.broadcast_to(lane[0], len(self.row))
        spread: NDArray[Scalar] = lane[self._nth]
        return spread

    def before(self, column: NDArray[Scalar], carried: NDArray[Scalar]) -> NDArray[Scalar]:
        if len(self._sizes) == 1:
            return carried
        parts = [carried]
        parts += [column[r.start : r.start + n] for r, n in zip(self._rounds, self._sizes[1:], strict=False)]
        return np.concatenate(parts)

    def first(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        return column[: self.n_lanes]

    def last(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        last = column[: self.n_lanes]
        if len(self._sizes) == 1:
            return last
        last = last.copy()
        for r, n in zip(self._rounds[1:], self._sizes[1:], strict=True):
            last[:n] = column[r]
        return last

    def total(self, column: NDArray[Scalar]) -> NDArray[Any]:
        total: NDArray[Any] = np.array(column, np.int64 if column.dtype == bool else column.dtype)
        for old, r, n in zip(self._rounds, self._rounds[1:], self._sizes[1:], strict=False):
            total[r] += total[old][:n]
        return total

    def affine(self, a: Floats, b: Floats, carried: Floats) -> Floats:
        if len(self._sizes) == 1:
            return a * carried + b
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
            np.minimum(out, cap[:n], out=out)
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
        history = History(history.ring, history.taken.copy(), history.keep)
        ring, taken, keep = history.ring, history.taken, history.keep
        begin, line = self.lane * ring[0].size, ring.reshape(-1)
        y = np.zeros(len(values))
        for r, n in zip(self._rounds, self._sizes, strict=True):
            lanes = self._doubtful(values[r, 0], r.start, history, spared) if spared else np.arange(n)
            for tile in range(0, len(lanes), TILE):
                at = lanes[tile : tile + TILE]
                found = judge(ring.take(self.lane[at], axis=0), r.start + at)
                y[r.start + at] = found
                if spared:
                    loud = at[~(np.abs(found) < spared.quiet[at])]
                    spared.left[loud], spared.quiet[loud] = 0.0, -np.inf
            pushed = slice(0, n) if keep is None else np.flatnonzero(keep[r])
            slot = taken[:n][pushed] & (WINDOW - 1)
            slot += begin[:n][pushed]
            for m in range(values.shape[1]):
                line[slot + m * WINDOW if m else slot] = values[r, m][pushed]
            taken[:n][pushed] += 1
        return y

    def _doubtful(self, x: Floats, first: int, history: History, spared: Spared) -> NDArray[np.intp]:
        """Return which lanes of a round need an exact result, after fresh bounds where old ones do not do."""
        n = len(x)
        calm = x > spared.above[:n]
        calm &= x < spared.below[:n]
        calm &= spared.left[:n] > 0.0
        spared.left[:n] -= 1.0
        due = np.flatnonzero(~calm)
        doubtful = []
        for tile in range(0, len(due), TILE):
            at = due[tile : tile + TILE]
            windows = history.ring.take(self.lane[at], axis=0)[:, 0]
            taken, begin = history.taken[at], np.arange(0, windows.size, WINDOW)
            for later in range(OUTLIVED):
                windows.reshape(-1)[begin + ((taken + later) & (WINDOW - 1))] = np.inf
            windows.sort(axis=1)
            above, below = spared.outline(windows, first + at, spared.quiet[at])
            above[taken < WINDOW] = np.inf  # not full
            spared.above[at], spared.below[at], spared.left[at] = above, below, OUTLIVED
            fresh = x[at]
            doubtful.append(at[~((fresh > above) & (fresh < below))])
        return np.concatenate(doubtful) if doubtful else due

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
