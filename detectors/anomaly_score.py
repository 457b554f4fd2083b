"""Score: how unusual the newest readings of a series are, for series about which nothing is known.

    o = -log10 p of each of eight views (anomaly_views.py) under the view's own history (anomaly_sketch.py)
    S += smoothing (mean of o - S)

A real event shows in level, spread, form and shape at once, noise mostly in one view, so views are averaged and
not maximised; smoothing asks for a few readings in a row. Unknown (NaN) during the first `WARMUP` readings.

State of a series (window 24, 96 lags): 2.2 kB, whatever was seen. Figures, sources, alarm rates: docs/detection.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import anomaly_sketch as sketch
from detectors import anomaly_views as views
from detectors.anomaly_sketch import BINS, WARMUP, Counts, Floats
from detectors.anomaly_views import Singles

# Rows of the sketches.
LEVEL, SLOW, SHORT, LONG, JUMP, FORM, FINE, COARSE = range(8)
N_VIEWS = 8
TWO_SIDED = slice(LEVEL, JUMP)
ONE_SIDED = slice(JUMP, N_VIEWS)
SHAPES = slice(FINE, N_VIEWS)
# Readings in a block of each shape, as parts of a window.
PARTS = (4, 2)
# A reading beyond this counts as this, so that squares stay finite.
BIGGEST = 1e15
# Series worked on at a time, so that what is made on the way stays in the cache.
_TILE = 512

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What may be chosen; all but smoothing count readings.

    window     a multiple of 4: `long` looks at two of them, `short` at a half; blocks of the shapes are 1/4 and 1/2
    lags       how many blocks back the shapes look
    memory     histories fade with this many readings
    smoothing  weight of the newest reading in S, 0..1

    Raises ValueError for what cannot be.
    """

    window: int = 24
    lags: int = 96
    memory: int = 5000
    smoothing: float = 0.25

    def __post_init__(self) -> None:
        if not (8 <= self.window <= 252 and self.window % 4 == 0 and self.lags >= 2):
            raise ValueError(f"window must be a multiple of 4 from 8 to 252, lags at least 2: {self}")
        if not (2 * self.window <= self.memory <= 32_000 and 0.0 < self.smoothing <= 1.0):
            raise ValueError(f"memory must be two windows to 32000, smoothing in (0, 1]: {self}")


@dataclass(slots=True, eq=False)
class Memory:
    """What is known of N series; every field is [N] or [N, …].

    seen uint8 readings so far, at most WARMUP · smooth S · origin the first reading · mean of `slow`
    anchor, scale [N, 8] and reach [N, 8, BINS] the sketches
    ring [N, 2 window] readings - origin, newest last
    recent [N, window] their bins, BINS = none yet · window [N, BINS] counts of `recent`
    of both shapes: block, filled [N, 2] sum and number of readings of the block that is being filled
    blocks [N, 2] how many there were, at most lags + 1 · past, distances [N, 2, lags] · shape [N, 2] the last distance
    """

    seen: Bytes
    smooth: Floats
    origin: Floats
    mean: Floats
    anchor: Floats
    scale: Floats
    reach: Counts
    ring: Singles
    recent: Bytes
    window: Bytes
    block: Floats
    filled: Bytes
    blocks: NDArray[np.uint16]
    past: Singles
    distances: Singles
    shape: Floats

    @classmethod
    def empty(cls, n: int, tuning: Tuning) -> Memory:
        """Return the memory of n series that nothing was seen of."""
        return cls(
            seen=np.zeros(n, np.uint8),
            smooth=np.zeros(n),
            origin=np.zeros(n),
            mean=np.zeros(n),
            anchor=np.zeros((n, N_VIEWS)),
            scale=np.zeros((n, N_VIEWS)),
            reach=np.zeros((n, N_VIEWS, BINS), np.uint16),
            ring=np.zeros((n, 2 * tuning.window), np.float32),
            recent=np.full((n, tuning.window), BINS, np.uint8),
            window=np.zeros((n, BINS), np.uint8),
            block=np.zeros((n, 2)),
            filled=np.zeros((n, 2), np.uint8),
            blocks=np.zeros((n, 2), np.uint16),
            past=np.full((n, 2, tuning.lags), -np.inf, np.float32),
            distances=np.full((n, 2, tuning.lags), np.inf, np.float32),
            shape=np.zeros((n, 2)),
        )

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, lane: NDArray[np.intp] | slice) -> Memory:
        """Return the memory of some series: a view for a slice, else a copy to be `put` back."""
        return Memory(**{name: column[lane] for name, column in self.columns().items()})

    def put(self, lane: NDArray[np.intp], some: Memory) -> None:
        """Store the memory of some series."""
        mine = self.columns()
        for name, column in some.columns().items():
            mine[name][lane] = column


Judge = Callable[[Memory, Floats, Tuning], Floats]


class Score:
    """The scores of N series, numbered 0..N-1."""

    def __init__(self, n_series: int, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self.memory = Memory.empty(n_series, self.tuning)

    def __len__(self) -> int:
        return len(self.memory.seen)

    def advance(self, lane: NDArray[np.intp], x: Floats) -> Floats:
        """Return S after one reading each of different series; x is not NaN."""
        scores = np.full(len(lane), np.nan)
        x = np.clip(x, -BIGGEST, BIGGEST)
        for a in range(0, len(lane), _TILE):
            tile = lane[a : a + _TILE]
            warming = self.memory.seen[tile] < WARMUP
            for who, judge in ((warming, _learn), (~warming, _judge)):
                if who.any():
                    some = a + np.flatnonzero(who)
                    scores[some] = self._advance(lane[some], x[some], judge)
        return scores

    def _advance(self, lane: NDArray[np.intp], x: Floats, judge: Judge) -> Floats:
        # Neighbours are worked on in place: one gather less.
        if (lane[1:] - lane[:-1] == 1).all():
            return judge(self.memory.take(slice(int(lane[0]), int(lane[-1]) + 1)), x, self.tuning)
        some = self.memory.take(lane)
        scores = judge(some, x, self.tuning)
        self.memory.put(lane, some)
        return scores

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of the memory and of the tuning."""
        tuning = [getattr(self.tuning, field.name) for field in fields(Tuning)]
        kept = {name: column.copy() for name, column in self.memory.columns().items()}
        return {**kept, "tuning": np.array(tuning, np.float64)}

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]]) -> Score:
        """Return the score whose snapshot this is."""
        window, lags, memory, smoothing = state["tuning"].tolist()
        score = cls(0, Tuning(int(window), int(lags), int(memory), smoothing))
        score.memory = Memory(**{field.name: state[field.name].copy() for field in fields(Memory)})
        return score


def _learn(m: Memory, x: Floats, tuning: Tuning) -> Floats:
    """Take a reading of series that warm up: it only says where the bins are."""
    first = m.seen == 0
    m.origin[first] = x[first]
    m.mean[first] = x[first]
    r = _look(m, x, tuning)
    seen = m.seen.astype(np.intp)
    sketch.learn_spread(r[:, TWO_SIDED], seen, m.anchor[:, TWO_SIDED], m.scale[:, TWO_SIDED])
    sketch.learn_octave(r[:, ONE_SIDED], seen, m.anchor[:, ONE_SIDED], m.scale[:, ONE_SIDED])
    m.seen += 1
    return np.full(len(x), np.nan)


def _judge(m: Memory, x: Floats, tuning: Tuning) -> Floats:
    """Take a reading of series that are known; return S."""
    r = _look(m, x, tuning)
    k = np.empty(r.shape, np.intp)
    within = np.ones(r.shape)
    k[:, TWO_SIDED] = sketch.spread_bin(r[:, TWO_SIDED], m.anchor[:, TWO_SIDED], m.scale[:, TWO_SIDED])
    r[:, FORM] = _form(m, k[:, LEVEL], tuning.window)
    k[:, ONE_SIDED], within[:, ONE_SIDED] = sketch.octave_bin(
        r[:, ONE_SIDED], m.anchor[:, ONE_SIDED], m.scale[:, ONE_SIDED]
    )
    rarity = sketch.rarity(m.reach, k, within, JUMP)
    rarity[:, ONE_SIDED] *= r[:, ONE_SIDED] > 0.0
    sketch.count(m.reach, k, tuning.memory)
    m.smooth += tuning.smoothing * (rarity.mean(axis=1) - m.smooth)
    return m.smooth.copy()


def _look(m: Memory, x: Floats, tuning: Tuning) -> Floats:
    """Return the views of a reading, [L, 8], `form` still 0, and take it into the rings."""
    r = np.zeros((len(x), N_VIEWS))
    centred = x - m.origin
    jump = x - m.mean
    m.mean += views.FORGET * jump
    views.push(m.ring, centred.astype(np.float32))
    r[:, LEVEL], r[:, SLOW], r[:, JUMP] = x, m.mean, np.abs(jump)
    r[:, SHORT] = views.deviation(m.ring, tuning.window // 2)
    r[:, LONG] = views.deviation(m.ring, 2 * tuning.window)
    m.block += centred[:, None]
    m.filled += 1
    for n, part in enumerate(PARTS):
        full = np.flatnonzero(m.filled[:, n] == tuning.window // part)
        if len(full):
            _close_block(m, full, n, tuning.window // part)
    r[:, SHAPES] = m.shape
    return r


def _close_block(m: Memory, full: NDArray[np.intp], n: int, length: int) -> None:
    """Look for the newest blocks of the n-th shape in the past, where one has just been filled."""
    lags = m.past.shape[2]
    v = (m.block[full, n] / length).astype(np.float32)
    past, distances = m.past[full, n], m.distances[full, n]
    m.shape[full, n] = views.distance(v, past, distances, m.blocks[full, n])
    m.past[full, n], m.distances[full, n] = past, distances
    m.blocks[full, n] = np.minimum(m.blocks[full, n] + 1, lags + 1)
    m.block[full, n] = 0.0
    m.filled[full, n] = 0


def _form(m: Memory, k: NDArray[np.intp], length: int) -> Floats:
    """Take the bin of a level into the window; return how unlike the history the window is."""
    lanes = np.arange(len(k))
    oldest = m.recent[:, 0]
    leaves = np.flatnonzero(oldest < BINS)
    m.window[leaves, oldest[leaves]] -= 1
    m.window[lanes, k] += 1
    views.push(m.recent, k.astype(np.uint8))
    history = m.reach[:, LEVEL]
    known = history[:, 0] >= 2 * length
    return np.where(known, views.form(m.window, sketch.histogram(history), length), 0.0)
