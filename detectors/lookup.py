"""Keys of two parts in one int64, and where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack(major: NDArray[np.int32], minor: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one key of two; minor may be negative, and then equals nothing that is not."""
    return (major.astype(np.int64) << 32) + minor.astype(np.int64)


def find(wanted: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the place of each wanted key, -1 where it is not; keys are unique."""
    if not len(among):
        return np.full(len(wanted), -1, np.intp)
    order = np.argsort(among)
    at = order[np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)]
    return np.where(among[at] == wanted, at, -1)
