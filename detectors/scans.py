"""Scans: a lane's readings side by side, computed at a cost that does not depend on how many they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from detectors.fill import fill, shift
from detectors.rows import OUTLIVED, TILE, WINDOW, Floats, History, Judge, Scalar, Source, Spared

_CHUNK_BITS = 5
_CHUNK = 1 << _CHUNK_BITS
# Sums up to so much keep an error far below 1e-9, over all readings of a piece.
_EXACT = 1e5


class Scans:
    """Readings lane by lane, each in order of time."""

    in_rounds = False

    def __init__(
        self, source: Source, lane: NDArray[np.intp], start: NDArray[np.intp], count: NDArray[np.intp]
    ) -> None:
        """Lay out lanes that are runs of a batch."""
        self.lane = lane
        self.n_lanes = len(start)
        self.count = count
        self._last = np.cumsum(count) - 1
        self._first = self._last - count + 1
        self.row = np.repeat(start - self._first, count) + np.arange(int(count.sum()))
        self.value = source.value[self.row]
        self.t = source.t[self.row]

    def spread(self, lane: NDArray[Scalar]) -> NDArray[Scalar]:
        if lane.strides[0] == 0:
            return np.broadcast_to(lane[0], len(self.row))
        return np.repeat(lane, self.count)

    def before(self, column: NDArray[Scalar], carried: NDArray[Scalar]) -> NDArray[Scalar]:
        return shift(column, self._first, carried)

    def first(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        first: NDArray[Scalar] = column[self._first]
        return first

    def last(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        last: NDArray[Scalar] = column[self._last]
        return last

    def total(self, column: NDArray[Scalar]) -> NDArray[Any]:
        total: NDArray[Any] = np.cumsum(column)
        before: NDArray[Any] = total[self._first] - column[self._first]
        total -= np.repeat(before, self.count)
        return total

    def affine(self, a: Floats, b: Floats, carried: Floats) -> Floats:
        """Solve the unit lower bidiagonal system that the recurrence is: exactly the sequential operations."""
        return recur(np.broadcast_to(a, len(b)), b, self._first, carried)

    def climb(self, z: Floats, carried: Floats, cap: Floats) -> Floats:
        """Compute s by running minima where no sum reaches the cap, and otherwise by composing its steps."""
        first = self._first
        free: Floats = np.cumsum(z, axis=1)
        if max(free.max(), -free.min()) < _EXACT:
            free -= np.repeat(free[:, first] - z[:, first] - carried, self.count, axis=1)
            free -= self._lowest(np.minimum(free, 0.0), first)
            if (free <= cap if cap.ndim else free.max() <= cap).all():
                return free
        return self._climb_composed(z, carried, cap)

    def _climb_composed(self, z: Floats, carried: Floats, cap: Floats) -> Floats:
        """Compose the maps s → min(c, max(b, s + a)) in two levels; a sum over lanes would leak spikes."""
        chunks = -(-self.count // _CHUNK)
        first = np.cumsum(chunks) - chunks
        n_chunks = int(chunks.sum())
        # The chunks stand side by side; what one lacks at its end are steps of 0.
        within = np.arange(z.shape[1]) - np.repeat(self._first, self.count)
        chunk = np.repeat(first, self.count) + (within >> _CHUNK_BITS)
        steps = np.zeros((_CHUNK, len(z) * n_chunks))
        sums = np.arange(len(z))[:, None]
        at = (within & (_CHUNK - 1)) * (len(z) * n_chunks) + chunk + sums * n_chunks
        steps.reshape(-1)[at] = z
        if cap.ndim:
            cap = np.tile(np.repeat(cap[self._first], chunks), len(z))
        a, edges = _compose(steps, cap)
        starts = (first + sums * n_chunks).ravel()
        a += _entries(a[-1], edges[-1], first=starts, carried=carried.ravel())
        np.maximum(a, edges[:, 0], out=a)
        np.minimum(a, edges[:, 1], out=a)
        s: Floats = np.take(a, at)
        return s

    def lowest(self, values: Floats, restart: NDArray[np.bool_], carried: Floats) -> Floats:
        begins = restart.copy()
        begins[self._first] = True
        first = self._first
        values = values.copy()
        values[first] = np.where(restart[first], values[first], np.minimum(values[first], carried))
        return self._lowest(values, np.flatnonzero(begins))

    def _lowest(self, values: Floats, first: NDArray[np.intp]) -> Floats:
        """Return the running minimum of float64[…, N], which begins again at each of the rows `first`."""
        if len(first) == 1:
            once: Floats = np.minimum.accumulate(values, axis=-1)
            return once
        # Complex numbers are compared by their real part first: each segment lies below the one before it.
        keyed = np.empty(values.shape, np.complex128)
        keyed.real = np.repeat(-np.arange(float(len(first))), np.diff(first, append=values.shape[-1]))
        keyed.imag = values
        low: Floats = np.minimum.accumulate(keyed, axis=-1).imag
        return low

    def fill(
        self, values: NDArray[Scalar], written: NDArray[np.bool_], carried: NDArray[Scalar]
    ) -> NDArray[Scalar]:
        first = self._first
        values, definite = values.copy(), written.copy()
        values[first] = np.where(written[first], values[first], carried)
        definite[first] = True
        return fill(values, definite)

    def over_windows(
        self, judge: Judge, values: Floats, history: History, spared: Spared | None = None
    ) -> Floats:
        ring, taken, keep = history.ring, history.taken, history.keep
        n_kept = self.count if keep is None else self.last(self.total(keep))
        # Every lane's past, oldest first, and then what it keeps, one lane after the other.
        offset = np.cumsum(n_kept + WINDOW) - (n_kept + WINDOW)
        order = (taken[:, None] + np.arange(WINDOW)) % WINDOW
        past = np.take_along_axis(ring[self.lane], order[:, None, :], axis=2).transpose(0, 2, 1)
        line = np.empty((int((n_kept + WINDOW).sum()), values.shape[1]))
        line[offset[:, None] + np.arange(WINDOW)] = past
        if keep is None:
            place = np.repeat(offset - self._first, self.count) + np.arange(len(values))
            line[place + WINDOW] = values
        else:
            place = np.repeat(offset, self.count) + self.total(keep) - keep
            line[place[keep] + WINDOW] = values[keep]

        windows = np.lib.stride_tricks.sliding_window_view(line, WINDOW, axis=0)
        y = np.zeros(len(values))

        def look(rows: NDArray[np.intp]) -> None:
            for tile in range(0, len(rows), TILE):
                at = rows[tile : tile + TILE]
                y[at] = judge(windows[place[at]], at)

        if spared is None:
            look(np.arange(len(values)))
        else:
            spared.until[:] = 0  # this layout does not look after bounds from one batch to the next
            exact = self._doubtful(values[:, 0], windows[:, 0], place, spared)
            look(exact)
            loud = np.zeros(len(values), bool)
            loud[exact] = ~(np.abs(y[exact]) < np.repeat(spared.quiet, self.count)[exact])
            if loud.any():
                rest = self.spread(self.any_of(loud))
                rest[exact] = False
                look(np.flatnonzero(rest))

        newest = line[(offset + n_kept)[:, None] + np.arange(WINDOW)].transpose(0, 2, 1)
        order = (taken[:, None] + n_kept[:, None] + np.arange(WINDOW)) % WINDOW
        replaced = np.empty_like(newest)
        np.put_along_axis(replaced, np.broadcast_to(order[:, None, :], newest.shape), newest, axis=2)
        ring[self.lane] = replaced
        return y

    def _doubtful(
        self, x: Floats, windows: Floats, place: NDArray[np.intp], spared: Spared
    ) -> NDArray[np.intp]:
        """Return which rows need an exact result; bounds are made for groups of rows that follow each other."""
        groups = -(-self.count // (OUTLIVED + 1))
        earlier = np.cumsum(groups) - groups
        leader = np.repeat(self._first - earlier * (OUTLIVED + 1), groups)
        leader += np.arange(len(leader)) * (OUTLIVED + 1)
        quiet = np.repeat(spared.quiet, groups)
        above, below = np.empty(len(leader)), np.empty(len(leader))
        for tile in range(0, len(leader), TILE):
            here = slice(tile, tile + TILE)
            s = windows[place[leader[here]]]
            s[:, :OUTLIVED] += np.inf  # NaN, of a window that is not full, stays and is sorted to the end
            s.sort(axis=1)
            above[here], below[here] = spared.outline(s, leader[here], quiet[here])
            above[here][np.isnan(s[:, -1])] = np.inf
        size = np.diff(leader, append=len(x))
        return np.flatnonzero(~((x > np.repeat(above, size)) & (x < np.repeat(below, size))))

    def cells(self, lanes: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return np.flatnonzero(np.repeat(lanes, self.count)), self.count[lanes]

    def any_of(self, column: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.logical_or.reduceat(column, self._first)


def recur(a: Floats, b: Floats, first: NDArray[np.intp], carried: Floats) -> Floats:
    """Return y with y = a·y_before + b, begun with `carried` at each of the rows `first`."""
    band = np.empty((2, len(b)), order="F")
    band[0] = 1.0
    np.negative(a[1:], out=band[1, :-1])
    # Nothing passes from one run to the next: 0 stands at the borders.
    band[1, first[1:] - 1] = band[1, -1] = 0.0
    b = b.copy()
    b[first] += a[first] * carried
    y: Floats = blas.dtbsv(1, band, b, lower=1, diag=1, overwrite_x=1)
    return y


def _compose(z: Floats, cap: Floats) -> tuple[Floats, Floats]:
    """Return, step by step, a and (b, c) of the map from each chunk's entry to there; z float64[steps, chunks]."""
    a, edges = np.empty_like(z), np.empty((len(z), 2, z.shape[1]))
    a[0] = z[0]
    # One step maps what is low enough to 0, and what is high enough to the cap.
    edges[0, 0], edges[0, 1] = 0.0, cap
    for k in range(1, len(z)):
        np.add(a[k - 1], z[k], out=a[k])
        np.add(edges[k - 1], z[k], out=edges[k])
        np.maximum(edges[k], 0.0, out=edges[k])
        np.minimum(edges[k], cap, out=edges[k])
    return a, edges


def _entries(a: Floats, edges: Floats, *, first: NDArray[np.intp], carried: Floats) -> Floats:
    """Return what enters each chunk, by doubling over the chunks of each lane."""
    # Shift by one: what enters a chunk is what left the one before it; a lane starts with what it carries.
    sum_, edges = np.roll(a, 1), np.roll(edges, 1, axis=1)
    sum_[first], edges[:, first] = 0.0, carried
    # A sum that was at 0 or at the cap within a chunk has forgotten what entered it.
    bounded = edges[0] == edges[1]
    step = 1
    while not bounded.all():
        rows = np.flatnonzero(~bounded)
        source = rows - step
        low, high = edges[:, rows]
        reached = np.minimum(high, np.maximum(low, edges[:, source] + sum_[rows]))
        sum_[rows] += sum_[source]
        edges[:, rows] = reached
        bounded[rows] = reached[0] == reached[1]
        step *= 2
    entry: Floats = edges[0]
    return entry
