"""Chart: T² and Q of a device's signals, of EWMA deviations from a baseline that adapts while all is quiet.

    e += fast (x - m - e)                      deviation of each signal from its baseline m
    m += slow (x - m)                          the baseline, only while there is no alarm
    learned from the first `learn` rows, as sums only:
      C = mean e e' + diag(n fast / (2 - fast))    n = mean (x - x_before)² / 2: white noise (von Neumann 1941)
      w = min(1, n / variance of x)                1 = noise about a level, near 0 = a signal that drifts
    y = e sqrt(w) / sqrt(diag C)               a drifting signal says little: it will be elsewhere anyway
    p = U' y, U and l: eigenvectors and -values of the correlations in C; k: the leading ones that hold `share`
    T² = sum of p²/l over the first k          limit: chi² with k degrees of freedom at `sigma`
    Q  = sum of p² over the others             limit: g chi² with h degrees, g = Σl²/Σl, h = (Σl)²/Σl² (Box 1954)
    ratio = max(T²/limit, Q/limit)             chi² by Wilson and Hilferty 1931

    alarm  on when ratio > 1; off when it was below max(1, release × its peak) for more than `hold` rows; then the
           baseline is where the signals are: after a repair or a shift the new state is the normal one. An alarm
           that lasts twice as long as learning took makes the device learn anew, and ends when that is done.

Sources: Hotelling 1947 (T²), Jackson and Mudholkar 1979 (Q), Lowry et al. 1992 (EWMA of vectors). Discounting
drifting signals and ending alarms relative to their peak are ours. What never moved while learning is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A reading beyond this counts as this, so that squares stay finite.
BIGGEST = 1e15
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Tuning:
    """What may be chosen; defaults of ours, measured in docs/detection.md.

    learn, hold   rows · fast, slow  rates per row, 0..1 · sigma  how many, one-sided · release  of the peak, 0..1
    share         of the variance that T² covers, 0..1; at 1 it covers all, and Q nothing

    Raises ValueError for what cannot be.
    """

    learn: int = 400
    fast: float = 0.15
    slow: float = 0.01
    sigma: float = 2.25
    share: float = 1.0
    release: float = 0.2
    hold: int = 40

    def __post_init__(self) -> None:
        if self.learn < 2 or self.hold < 0 or self.sigma <= 0.0:
            raise ValueError(f"learn at least 2 rows, hold 0 or more, sigma above 0: {self}")
        if (
            not all(0.0 < part <= 1.0 for part in (self.fast, self.slow, self.share))
            or not 0 <= self.release < 1
        ):
            raise ValueError(f"fast, slow and share in (0, 1], release in [0, 1): {self}")


@dataclass(slots=True, eq=False)
class Memory:
    """What is known of D devices with C signals each; a missing signal is always 0.

    rows int32[D] rows learned · origin, before, mean, deviation [D, C] the first and last row, m and e
    total, squares, steps [D, C] sums of x - origin, its square, and (x - before)² · products [D, C, C] of e e'
    gain [D, C] y = gain e · axes [D, C, C] columns U · heavy [D, C] 1/l, 0 beyond k · light [D, C] 1 beyond k
    limit_t, limit_q float64[D]
    alarm bool[D] · peak float64[D] · lasted, quiet int32[D] rows in alarm, rows below since
    """

    rows: NDArray[np.int32]
    origin: Floats
    before: Floats
    mean: Floats
    deviation: Floats
    total: Floats
    squares: Floats
    steps: Floats
    products: Floats
    gain: Floats
    axes: Floats
    heavy: Floats
    light: Floats
    limit_t: Floats
    limit_q: Floats
    alarm: NDArray[np.bool_]
    peak: Floats
    lasted: NDArray[np.int32]
    quiet: NDArray[np.int32]

    @classmethod
    def empty(cls, n: int, n_signals: int) -> Memory:
        """Return the memory of n devices that nothing was seen of."""
        vectors = (
            "origin",
            "before",
            "mean",
            "deviation",
            "total",
            "squares",
            "steps",
            "gain",
            "heavy",
            "light",
        )
        return cls(
            rows=np.zeros(n, np.int32),
            products=np.zeros((n, n_signals, n_signals)),
            axes=np.zeros((n, n_signals, n_signals)),
            limit_t=np.full(n, np.inf),
            limit_q=np.full(n, np.inf),
            alarm=np.zeros(n, bool),
            peak=np.zeros(n),
            lasted=np.zeros(n, np.int32),
            quiet=np.zeros(n, np.int32),
            **{name: np.zeros((n, n_signals)) for name in vectors},
        )

    @classmethod
    def restored(cls, state: Mapping[str, Any], prefix: str) -> Memory:
        """Return the memory that was kept under a prefix."""
        return cls(**{field.name: state[prefix + field.name].copy() for field in fields(cls)})

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, lane: NDArray[np.intp]) -> Memory:
        """Return a copy of the memory of some devices."""
        return Memory(**{name: column[lane] for name, column in self.columns().items()})

    def put(self, lane: NDArray[np.intp], some: Memory) -> None:
        """Store the memory of some devices."""
        mine = self.columns()
        for name, column in some.columns().items():
            mine[name][lane] = column


def advance(
    memory: Memory, lane: NDArray[np.intp], x: Floats, tuning: Tuning, threshold: Floats | float = 1.0
) -> tuple[Floats, NDArray[np.intp]]:
    """Take one row x[L, C] of different devices; return its ratio (NaN while learning) and the signal that leads.

    Each alarm is held against its device's `threshold`[L]: the formulas above have ratio / threshold for ratio.
    """
    m = memory.take(lane)
    x = np.clip(x, -BIGGEST, BIGGEST)
    learns = m.rows < tuning.learn
    first = m.rows == 0
    for column in (m.origin, m.before, m.mean):
        column[first] = x[first]
    m.deviation += tuning.fast * (x - m.mean - m.deviation)
    if learns.any():
        _learn(m, x, learns, tuning)
    y = m.gain * m.deviation
    ratio = np.where(learns, np.nan, _ratio(m, y))
    _move(m, ratio / threshold, tuning)
    slow = np.where(learns, np.maximum(tuning.slow, 1.0 / (m.rows + 1.0)), tuning.slow * ~m.alarm)
    m.mean += slow[:, None] * (x - m.mean)
    m.rows += learns
    m.alarm &= ~(learns & (m.rows == tuning.learn))
    _forget(m, m.lasted >= 2 * tuning.learn)
    memory.put(lane, m)
    return ratio, np.abs(y).argmax(axis=1)


def _learn(m: Memory, x: Floats, learns: NDArray[np.bool_], tuning: Tuning) -> None:
    """Add a row to the sums of devices that learn, and close the sums of those for which it was the last."""
    use = learns[:, None]
    m.total += use * (x - m.origin)
    m.squares += use * (x - m.origin) ** 2
    m.steps += use * (x - m.before) ** 2
    m.products += use[:, None] * (m.deviation[:, :, None] * m.deviation[:, None, :])
    m.before[learns] = x[learns]
    done = np.flatnonzero(m.rows == tuning.learn - 1)
    if len(done):
        some = m.take(done)
        _decompose(some, tuning)
        m.put(done, some)


def _decompose(m: Memory, tuning: Tuning) -> None:
    """Turn the sums into gains, axes and limits."""
    n = tuning.learn
    noise = m.steps / 2.0 / (n - 1)
    variance = m.squares / n - (m.total / n) ** 2
    C = m.products / n
    diagonal = np.einsum("ijj->ij", C)
    diagonal += noise * tuning.fast / (2.0 - tuning.fast)
    moves = (noise > 0.0) & (variance > _TINY)
    deviation = np.sqrt(np.where(moves, diagonal, 1.0))
    drift = np.minimum(1.0, noise / np.where(moves, variance, 1.0))
    m.gain[:] = moves * np.sqrt(drift) / deviation
    both = moves[:, :, None] & moves[:, None, :]
    values, axes = np.linalg.eigh(np.where(both, C / (deviation[:, :, None] * deviation[:, None, :]), 0.0))
    values, m.axes[:] = np.maximum(values[:, ::-1], 0.0), axes[:, :, ::-1]
    held = np.cumsum(values, axis=1) - values
    leads = (values > 1e-12) & (held < (tuning.share - 1e-9) * values.sum(axis=1, keepdims=True))
    m.heavy[:] = np.where(leads, 1.0 / np.where(leads, values, 1.0), 0.0)
    m.light[:] = ~leads
    m.limit_t[:] = _chi2(leads.sum(axis=1).astype(np.float64), tuning.sigma)
    rest = np.where(leads, 0.0, values)
    one, two = rest.sum(axis=1), (rest**2).sum(axis=1)
    g, h = two / np.where(one > 0.0, one, 1.0), one**2 / np.where(two > 0.0, two, 1.0)
    # Without anything left over there is no Q.
    some = one > 1e-9
    m.limit_q[:] = np.where(some, np.where(some, g, 1.0) * _chi2(h, tuning.sigma), np.inf)


def _chi2(degrees: Floats, sigma: float) -> Floats:
    """Return the quantile of chi² that a normal variable has at sigma; infinite without degrees of freedom."""
    known = degrees > 0.0
    v = 2.0 / (9.0 * np.where(known, degrees, 1.0))
    quantile: Floats = degrees * (1.0 - v + sigma * np.sqrt(v)) ** 3
    return np.where(known, quantile, np.inf)


def _ratio(m: Memory, y: Floats) -> Floats:
    squares = np.einsum("dij,di->dj", m.axes, y) ** 2
    t2: Floats = (m.heavy * squares).sum(axis=1) / m.limit_t
    q: Floats = (m.light * squares).sum(axis=1) / m.limit_q
    return np.maximum(t2, q)


def _forget(m: Memory, who: NDArray[np.bool_]) -> None:
    """Let these devices learn anew; their alarms stay until they have."""
    if who.any():
        for column in (m.rows, m.deviation, m.total, m.squares, m.steps, m.products, m.lasted):
            column[who] = 0


def _move(m: Memory, ratio: Floats, tuning: Tuning) -> None:
    """Begin and end alarms; where one ends, the baseline moves to where the signals are."""
    begins = ~m.alarm & (ratio > 1.0)
    m.peak = np.where(begins, ratio, np.where(m.alarm, np.fmax(m.peak, ratio), 0.0))
    low = m.alarm & (ratio < np.maximum(1.0, tuning.release * m.peak))
    m.quiet = np.where(low, m.quiet + 1, 0).astype(np.int32)
    ends = m.alarm & (m.quiet > tuning.hold)
    m.alarm = (m.alarm | begins) & ~ends
    m.lasted = np.where(m.alarm & ~np.isnan(ratio), m.lasted + 1, 0).astype(np.int32)
    m.mean += ends[:, None] * m.deviation
    m.deviation *= ~ends[:, None]
    m.peak[ends] = 0.0
    m.quiet[ends] = 0
