"""Skew: how far each gateway's clock is from ours, judged by how old its readings are when they arrive.

Of every gateway the age (arrival - event time) of at most one message each `every` is kept, SLOTS of them; their
median is the estimate.  A clock that is wrong shifts every age by the same, a backlog spreads them: where the
middle half of the ages spreads by more than `steady`, nothing is said.
A gateway that sends an hour at a time looks an hour behind; its period must be known before it is blamed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.time import seconds

SLOTS = 31
# So many ages are needed before anything is said.
ENOUGH = 5


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """gateway int32[G] · skew_s float64[G], positive = behind us · spread_s float64[G], of the middle half."""

    gateway: NDArray[np.int32]
    skew_s: NDArray[np.float64]
    spread_s: NDArray[np.float64]

    def beyond(self, limit_s: float) -> NDArray[np.int32]:
        """Return the gateways whose clock is wrong by more than this (Q-06)."""
        return self.gateway[np.abs(self.skew_s) > limit_s]


class Skew:
    """Keeps the newest ages of every gateway; bounded by the registry, since only known gateways are heard."""

    def __init__(self, every: int = seconds(10), steady_s: float = 30.0) -> None:
        self.every, self.steady_s = every, steady_s
        self._ages = np.empty((0, SLOTS), np.int64)
        self._n = np.empty(0, np.int64)
        self._due = np.empty(0, np.int64)

    def step(self, heard: tuple[NDArray[np.int32], NDArray[np.int64]], now: int) -> None:
        """Take what a batch heard: (gateway int32[M], age int64[M] ns); of one gateway its last counts."""
        gateway, age = heard
        if not len(gateway):
            return
        last = dict(zip(gateway.tolist(), age.tolist(), strict=True))
        who = np.fromiter(last, np.int64, len(last))
        self._grow(int(who.max()) + 1)
        ages = np.fromiter(last.values(), np.int64, len(last))
        chosen = self._due[who] <= now
        who, ages = who[chosen], ages[chosen]
        self._ages[who, self._n[who] % SLOTS] = ages
        self._n[who] += 1
        self._due[who] = now + self.every

    def estimates(self) -> Estimates:
        """Return an estimate for every gateway that has been heard often enough, and is steady."""
        who = np.flatnonzero(self._n >= ENOUGH)
        ages = self._ages[who].astype(np.float64) / 1e9
        ages[np.arange(SLOTS) >= self._n[who, None]] = np.nan
        low, middle, high = (
            np.nanpercentile(ages, (25, 50, 75), axis=1) if len(who) else np.empty((3, 0), np.float64)
        )
        steady = high - low <= self.steady_s
        return Estimates(who[steady].astype(np.int32), middle[steady], (high - low)[steady])

    def _grow(self, n: int) -> None:
        missing = n - len(self._n)
        if missing > 0:
            self._ages = np.concatenate([self._ages, np.zeros((missing, SLOTS), np.int64)])
            self._n = np.append(self._n, np.zeros(missing, np.int64))
            self._due = np.append(self._due, np.zeros(missing, np.int64))
