"""Views: eight cheap ways to look at one series; each is one number per reading.

    level    x                                     slow   m, after m += (x - m) / 2
    jump     |x - m|, with m before                short, long   deviation of the last window/2 and 2 window readings
    form     sum P ln(P / G): P the bins of x over the last `window` readings, G those of its whole history
             (Kullback and Leibler 1951)
    fine, coarse   distance of the newest blocks to the most alike in the past; blocks v are means of window/4 and of
             window/2 readings; for every lag L   D_L = D_L / 2 + (v - v_L)^2   and the view is sqrt(min D_L / 2)

The last two are a nearest-neighbour search over all past forms of about two blocks without storing any of them: with
exponential weights the distance to each is a recursion of one term per lag. Their reach (lags times window/2 readings)
should cover the longest rhythm of the series, such as a day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.anomaly_sketch import BINS, Floats

FORGET = 0.5

Singles = NDArray[np.float32]


def deviation(ring: Singles, length: int) -> Floats:
    """Return the population standard deviation of the newest `length` values; ring [L, n], newest last."""
    window = ring[:, -length:].astype(np.float64)
    window -= window.mean(axis=1, keepdims=True)
    squares: Floats = np.einsum("ij,ij->i", window, window)
    return np.sqrt(squares / length)


def push(ring: NDArray[np.generic], newest: NDArray[np.generic]) -> None:
    """Shift a ring [L, n] by one place and put the newest value last, in place."""
    ring[:, :-1] = ring[:, 1:]
    ring[:, -1] = newest


def form(window: NDArray[np.uint8], history: Floats, length: int) -> Floats:
    """Return the divergence of the window's bins from the history's; counts [L, BINS], window sums to length."""
    P = window / float(length)
    G = (history + 0.5) / (history.sum(axis=1, keepdims=True) + 0.5 * BINS)
    ratio = np.divide(P, G, out=np.ones_like(P), where=window > 0)
    divergence: Floats = np.einsum("ij,ij->i", P, np.log(ratio))
    return np.maximum(divergence, 0.0)


def distance(v: Singles, past: Singles, D: Singles, blocks: NDArray[np.uint16]) -> Floats:
    """Return the distance of block v to the nearest past form; past and D [L, lags] take it in, in place.

    past is newest first; a lag that nothing is known of yet has past -inf and D inf. blocks [L] came before.
    """
    gap = (v[:, None] - past) ** 2
    D *= np.float32(FORGET)
    D += gap
    young = np.flatnonzero((blocks > 0) & (blocks <= past.shape[1]))
    newly = blocks[young] - 1
    D[young, newly] = gap[young, newly]
    past[:, 1:] = past[:, :-1]
    past[:, 0] = v
    nearest = D.min(axis=1).astype(np.float64)
    return np.where(blocks > 0, np.sqrt((1.0 - FORGET) * nearest), 0.0)
