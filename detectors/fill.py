"""Last writer wins: the scan behind latches, evidence and since (0.9 ns a row; see docs/detectors.md)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def fill(values: NDArray[Scalar], written: NDArray[np.bool_]) -> NDArray[Scalar]:
    """Return values with every row that was not written replaced by the last written one before it.

    The first row must be written. Runs stay apart when the first row of each is written with what it carries.
    """
    rows = np.flatnonzero(written)
    return np.repeat(values[rows], np.diff(rows, append=len(values)))


def shift(values: NDArray[Scalar], first: NDArray[np.intp], carried: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the value before each row; before the first row of a run stands what it carried in."""
    before = np.empty_like(values)
    before[1:] = values[:-1]
    before[first] = carried
    return before
