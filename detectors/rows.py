"""Rows: two layouts of the same readings behind one interface, so that an operator's arithmetic is written once.

An operator sees whole columns, and says how a row follows from the one before it by `before`, `affine`, `climb`,
`fill` and `over_windows`. rounds.py keeps the k-th readings of all lanes together and computes those step by
step, exactly in sequence; scans.py keeps a lane's readings together and computes them by scans, at a cost that
does not depend on how long a lane is. A lane is one state: a series, or a device with several signals.

Costs per row and the switch between the two: docs/detectors.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

WINDOW = 32
TILE = 1024  # windows sorted at a time: 256 kB, which stays in the second-level cache
# A window's bounds are made without so many of its oldest values, and hold until these are replaced. More of them
# are sorted more seldom, but leave narrower bounds; with 5, of normal noise one window in six is sorted.
OUTLIVED = 5


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
        """Return s with s = min(cap, max(0, s_before + z)) of M sums: z float64[M, N], carried [M, L].

        cap may be one number.
        """
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
        self, judge: Judge, values: Floats, history: History, spared: Spared | None = None
    ) -> Floats:
        """Return judge(windows, rows) for each row's WINDOW values kept before it, and push what is kept.

        values float64[N, M] is what is pushed. `judge` gets windows float64[B, M, WINDOW] in no certain order, NaN
        where nothing was pushed yet, its own to destroy; and which rows they are. `spared` says of which rows
        nobody wants to know the result exactly, as long as it is small; that is 0 then.
        """
        ...

    def cells(self, lanes: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return (places, counts): where in a column the readings of these lanes are, lane by lane, in time."""
        ...

    def any_of(self, column: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return, per lane, whether it is true at some reading."""
        ...


Judge = Callable[[Floats, NDArray[np.intp]], Floats]
# (sorted windows without their OUTLIVED oldest values, rows, quiet) -> between what readings are judged less than quiet
Outline = Callable[[Floats, NDArray[np.intp], Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class History:
    """What an operator remembers of single readings.

    ring float64[states, M, WINDOW], written to · taken int64[L] how many were ever pushed; slot = taken mod WINDOW
    keep bool[N] which rows are pushed, None: all
    """

    ring: Floats
    taken: NDArray[np.int64]
    keep: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Spared:
    """What spares a look at most windows of single values: what holds without its oldest values holds for a while.

    outline   see `Outline`; a window is float64[WINDOW], inf stands for its missing values
    quiet     float64[L] a result whose size is less need not be exact, until a lane has one that is not
    above, below float64[L], until int64[L]: readings strictly between are spared, as long as fewer were pushed

    The lane columns are written to.
    """

    outline: Outline
    quiet: Floats
    above: Floats
    below: Floats
    until: NDArray[np.int64]
