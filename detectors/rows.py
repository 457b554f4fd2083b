"""Rows: two layouts of the same readings behind one interface, so that an operator's arithmetic is written once.

An operator sees whole columns, and says how a row follows from the one before it by `before`, `affine`, `climb`,
`fill` and `over_windows`. `Rounds` keeps the k-th readings of all lanes together and computes those step by
step, exactly in sequence; `Scans` keeps a lane's readings together and computes them by scans, at a cost that
does not depend on how long a lane is. A lane is one state: a series, or a device with several signals.

Costs per row and the switch between the two: docs/detectors.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from detectors.fill import fill, shift

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

WINDOW = 32
_TILE = 1024  # windows sorted at a time: 256 kB, which stays in the second-level cache
_CHUNK = 32


class Source(Protocol):
    """Where readings come from: a batch, or signals joined in event time."""

    @property
    def value(self) -> Floats: ...
    @property
    def t(self) -> NDArray[np.int64]: ...


class Rows(Protocol):
    """N readings of L lanes; columns are [N], lane columns are [L].

    lane intp[L] the state's row · count intp[L] · row intp[N] the source's row · value float64[N] · t int64[N] ns
    """

    lane: NDArray[np.intp]
    row: NDArray[np.intp]
    count: NDArray[np.intp]
    value: Floats
    t: NDArray[np.int64]
    n_lanes: int
    in_rounds: bool

    def spread(self, lane: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return a lane column as a column."""
        ...

    def before(self, column: NDArray[Scalar], carried: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the value one reading earlier; `carried` stands before the first."""
        ...

    def first(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the value at each lane's first reading."""
        ...

    def last(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the value at each lane's last reading."""
        ...

    def total(self, column: NDArray[Scalar]) -> NDArray[Any]:
        """Return the running sum within each lane."""
        ...

    def affine(self, a: Floats, b: Floats, carried: Floats) -> Floats:
        """Return y with y = a·y_before + b; a may be one number."""
        ...

    def climb(self, z: Floats, carried: Floats, cap: Floats) -> Floats:
        """Return s with s = min(cap, max(0, s_before + z)) of M sums: z float64[M, N], carried [M, L], cap [L]."""
        ...

    def lowest(self, values: Floats, restart: NDArray[np.bool_], carried: Floats) -> Floats:
        """Return the running minimum, which begins again where `restart`."""
        ...

    def fill(
        self, values: NDArray[Scalar], written: NDArray[np.bool_], carried: NDArray[Scalar]
    ) -> NDArray[Scalar]:
        """Return values where written, else what was written last, else what is carried."""
        ...

    def over_windows(
        self, judge: Judge, values: Floats, history: History, quiet: Floats, calm: Calm | None = None
    ) -> Floats:
        """Return judge(windows, rows, quiet) for each row's WINDOW values kept before it, and push what is kept.

        values float64[N, M] is what is pushed. `judge` gets windows float64[B, M, WINDOW] in no certain order, NaN
        where nothing was pushed yet, its own to destroy; which rows they are; and quiet float64[B]: a result whose
        size is less need not be exact; and which lanes they are, None where lanes are mixed. quiet float64[L] holds
        until a lane has a result that is not less: from there on that lane's results are exact. `calm`, where lanes are
        not mixed, says of which rows the result is less than quiet without a look at the window.
        """
        ...

    def cells(self, lanes: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (places, counts): where in a column the readings of these lanes are, lane by lane, in time."""
        ...

    def any_of(self, column: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return, per lane, whether it is true at some reading."""
        ...


Places = slice | NDArray[np.intp]
Judge = Callable[[Floats, Places, Floats, Places | None], Floats]
Calm = Callable[[Places, Floats, Places], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class History:
    """What an operator remembers of single readings.

    ring float64[states, M, WINDOW], written to · taken int64[L] how many were ever pushed; slot = taken mod WINDOW
    keep bool[N] which rows are pushed, None: all
    """

    ring: Floats
    taken: NDArray[np.int64]
    keep: NDArray[np.bool_] | None = None


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
        self, judge: Judge, values: Floats, history: History, quiet: Floats, calm: Calm | None = None
    ) -> Floats:
        ring, taken, keep = history.ring, history.taken.copy(), history.keep
        y = np.empty(len(values))
        quiet = quiet.copy()
        for r, n in zip(self._rounds, self._sizes, strict=True):
            for tile in range(0, n, _TILE):
                lanes = slice(tile, min(tile + _TILE, n))
                here = slice(r.start + lanes.start, r.start + lanes.stop)
                if calm is None:
                    found = judge(ring.take(self.lane[lanes], axis=0), here, quiet[lanes], lanes)
                else:
                    found = np.zeros(lanes.stop - lanes.start)
                    doubtful = np.flatnonzero(~calm(here, quiet[lanes], lanes))
                    which = lanes.start + doubtful
                    windows = ring.take(self.lane[which], axis=0)
                    found[doubtful] = judge(windows, r.start + which, quiet[which], which)
                y[here] = found
                if len(self._sizes) > 1:
                    quiet[lanes][~(np.abs(found) < quiet[lanes])] = -np.inf
            pushed = slice(0, n) if keep is None else np.flatnonzero(keep[r])
            slot = self.lane[:n][pushed] * ring[0].size + taken[:n][pushed] % WINDOW
            for m in range(values.shape[1]):
                ring.reshape(-1)[slot + m * WINDOW] = values[r, m][pushed]
            taken[:n][pushed] += 1
        return y

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
        """Compose the maps s → min(c, max(b, s + a)) in two levels; a sum over lanes would leak spikes."""
        chunks = -(-self.count // _CHUNK)
        first = np.cumsum(chunks) - chunks
        n_chunks = int(chunks.sum())
        # The chunks stand side by side; what one lacks at its end are steps of 0.
        within = np.arange(z.shape[1]) - np.repeat(self._first, self.count)
        chunk = np.repeat(first, self.count) + within // _CHUNK
        steps = np.zeros((_CHUNK, len(z) * n_chunks))
        sums = np.arange(len(z))[:, None]
        at = (within % _CHUNK) * (len(z) * n_chunks) + chunk + sums * n_chunks
        steps.reshape(-1)[at] = z
        a, edges = _compose(steps, np.tile(np.repeat(cap, chunks), len(z)))
        starts = (first + sums * n_chunks).ravel()
        a += _entries(a[-1], edges[-1], first=starts, carried=carried.ravel())
        np.maximum(a, edges[:, 0], out=a)
        np.minimum(a, edges[:, 1], out=a)
        s: Floats = np.take(a, at)
        return s

    def lowest(self, values: Floats, restart: NDArray[np.bool_], carried: Floats) -> Floats:
        begins = restart.copy()
        begins[self._first] = True
        # Complex numbers are compared by their real part first: each segment lies below the one before it.
        keyed = np.empty(len(values), np.complex128)
        keyed.real = np.negative(np.cumsum(begins), dtype=np.float64)
        keyed.imag = values
        first = self._first
        keyed.imag[first] = np.where(restart[first], values[first], np.minimum(values[first], carried))
        low: Floats = np.minimum.accumulate(keyed).imag
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
        self,
        judge: Judge,
        values: Floats,
        history: History,
        quiet: Floats,
        calm: Calm | None = None,  # noqa: ARG002
    ) -> Floats:
        ring, taken, keep = history.ring, history.taken, history.keep
        n_kept = self.count if keep is None else self.last(self.total(keep))
        # Every lane's past, oldest first, and then what it keeps, one lane after the other.
        offset = np.cumsum(n_kept + WINDOW) - (n_kept + WINDOW)
        order = (taken[:, None] + np.arange(WINDOW)) % WINDOW
        past = np.take_along_axis(ring[self.lane], order[:, None, :], axis=2).transpose(0, 2, 1)
        line = np.empty((int((n_kept + WINDOW).sum()), values.shape[1]))
        line[offset[:, None] + np.arange(WINDOW)] = past
        kept = np.ones(len(values), bool) if keep is None else keep
        place = np.repeat(offset, self.count) + self.total(kept) - kept
        line[place[kept] + WINDOW] = values[kept]

        windows = np.lib.stride_tricks.sliding_window_view(line, WINDOW, axis=0)
        bound = self.spread(quiet)
        y = np.empty(len(values))
        for tile in range(0, len(values), _TILE):
            here = slice(tile, min(tile + _TILE, len(values)))
            y[here] = judge(windows[place[here]], here, bound[here], None)
        loud = ~(np.abs(y) < bound)
        again = np.flatnonzero(self.spread(self.any_of(loud)) & ~loud)
        if len(again):
            y[again] = judge(windows[place[again]], again, np.full(len(again), -np.inf), None)

        newest = line[(offset + n_kept)[:, None] + np.arange(WINDOW)].transpose(0, 2, 1)
        order = (taken[:, None] + n_kept[:, None] + np.arange(WINDOW)) % WINDOW
        replaced = np.empty_like(newest)
        np.put_along_axis(replaced, np.broadcast_to(order[:, None, :], newest.shape), newest, axis=2)
        ring[self.lane] = replaced
        return y

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
