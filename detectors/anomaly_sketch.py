"""Sketch: how rare a value is under a series' own history, from a histogram of 16 counters that fades.

No distribution is assumed: a quiet series and a spiky one both get tail probabilities that mean the same.
Bins are anchored once, on the first `WARMUP` values, and never move: bins relative to a moving scale forget
what was normal. Counters fade by being halved when `2 * memory` values were counted, so they stay whole numbers.

    two-sided  bin = floor(1.5 asinh((r - a) / s) + 8), a and s mean and deviation of the warm-up;
               p = 2 (min(count at or below, count at or above) + 1) / (total + 1), the own bin on both sides:
               a resting value at the end of its range is not rare
    one-sided  bin = floor(y), y = log2 r - a + 8, a = mean of log2 r over the positive warm-up values;
               p = (count above + (1 - (y - bin)) count of the own bin + 1) / (total + 1), and 1 where r is 0

What is kept is reach[L, V, BINS]: how many values lie in a bin or above it, so that no sum is needed.
Why these forms, and what went wrong with others: docs/detection.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WARMUP = 60
BINS = 16
_PER_ASINH = 1.5
_TINY = 1e-30
_BINS = np.arange(BINS)

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]


def learn_spread(r: Floats, seen: NDArray[np.intp], anchor: Floats, scale: Floats) -> None:
    """Take a warm-up value into mean and sum of squares, in place; all [L, V], seen [L] values came before."""
    n = seen[:, None] + 1.0
    d = r - anchor
    anchor += d / n
    scale += d * (r - anchor)
    last = seen == WARMUP - 1
    if last.any():
        deviation = np.sqrt(scale[last] / WARMUP)
        scale[last] = np.maximum(deviation, np.maximum(1e-9 * np.abs(anchor[last]), _TINY))


def learn_octave(r: Floats, seen: NDArray[np.intp], anchor: Floats, scale: Floats) -> None:
    """Take a warm-up value into the mean of log2 over positive values, in place; scale counts them."""
    positive = r > 0.0
    log = np.log2(r, out=np.zeros_like(r), where=positive)
    anchor += log
    scale += positive
    last = seen == WARMUP - 1
    if last.any():
        anchor[last] /= np.maximum(scale[last], 1.0)


def spread_bin(r: Floats, anchor: Floats, scale: Floats) -> NDArray[np.intp]:
    """Return the bin of each value on the two-sided scale; [L, V]."""
    y = _PER_ASINH * np.arcsinh((r - anchor) / scale) + BINS / 2
    return np.clip(np.floor(y), 0, BINS - 1).astype(np.intp)


def octave_bin(r: Floats, anchor: Floats, scale: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return (bin, place within it 0..1) on the one-sided scale; a first positive value becomes the anchor."""
    positive = r > 0.0
    log = np.log2(r, out=np.zeros_like(r), where=positive)
    first = positive & (scale == 0.0)
    anchor[first] = log[first]
    scale[first] = 1.0
    y = log - anchor + BINS / 2
    k = np.clip(np.floor(y), 0, BINS - 1)
    within = np.clip(y - k, 0.0, 1.0)
    return np.where(positive, k, 0.0).astype(np.intp), within


def rarity(reach: Counts, k: NDArray[np.intp], within: Floats, n_two_sided: int) -> Floats:
    """Return -log10 p of values in bins k, [L, V]; the first views are two-sided, the others one-sided."""
    lanes, views = np.arange(k.shape[0])[:, None], np.arange(k.shape[1])
    total = reach[..., 0].astype(np.float64)
    own = reach[lanes, views, k].astype(np.float64)
    above = np.where(k < BINS - 1, reach[lanes, views, np.minimum(k + 1, BINS - 1)], 0.0)
    tail = above + (1.0 - within) * (own - above)
    two = slice(None, n_two_sided)
    tail[:, two] = np.minimum(own, total - above)[:, two]
    p = (tail + 1.0) / (total + 1.0)
    p[:, two] = np.minimum(1.0, 2.0 * p[:, two])
    surprise: Floats = -np.log10(p)
    return surprise


def count(reach: Counts, k: NDArray[np.intp], memory: int) -> None:
    """Count one value per lane and view, in place."""
    reach += k[..., None] >= _BINS
    full = reach[..., 0] >= 2 * memory
    if full.any():
        reach[full] //= 2


def histogram(reach: Counts) -> Floats:
    """Return how many values are in each bin, from counts [L, BINS]."""
    counts = reach.astype(np.float64)
    counts[:, :-1] -= reach[:, 1:]
    return counts
