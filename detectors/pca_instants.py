"""Instants: the signals of a device put together into rows, one per instant at which all of them were measured.

Signals of one message have one timestamp and arrive together. An instant at which a signal is missing, NaN or BAD is no
row. A batch may end in the middle of an instant: the newest incomplete one of each device is kept for the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL, Batch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """K complete rows, ordered by (device, t): device intp[K] · t int64[K] · x float64[K, C] · live bool[K]."""

    device: NDArray[np.intp]
    t: NDArray[np.int64]
    x: Floats
    live: NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Pending:
    """The newest incomplete instant of each device: t int64[D] · there bool[D, C] · x float64[D, C] · live bool[D]."""

    t: NDArray[np.int64]
    there: NDArray[np.bool_]
    x: Floats
    live: NDArray[np.bool_]

    @classmethod
    def empty(cls, n: int, n_signals: int) -> Pending:
        """Return n devices without anything pending."""
        return cls(
            np.zeros(n, np.int64), np.zeros((n, n_signals), bool), np.zeros((n, n_signals)), np.ones(n, bool)
        )

    @classmethod
    def restored(cls, state: Mapping[str, Any], prefix: str) -> Pending:
        """Return what was kept under a prefix."""
        return cls(**{field.name: state[prefix + field.name].copy() for field in fields(cls)})

    def join(self, batch: Batch, place: NDArray[np.intp], wanted: NDArray[np.intp]) -> Rows:
        """Return the rows that a batch completes; keep what it leaves incomplete.

        place intp[N] is device × C + signal of each sample, wanted intp[D] how many signals each device has.
        """
        n_signals = self.there.shape[1]
        old_device, old_signal = np.nonzero(self.there)
        device = np.concatenate([old_device, place // n_signals])
        signal = np.concatenate([old_signal, place % n_signals])
        t = np.concatenate([self.t[old_device], batch.t])
        value = np.concatenate([self.x[old_device, old_signal], batch.value])
        live = np.concatenate([self.live[old_device], (batch.quality & HISTORICAL) == 0])
        if not len(t):
            return Rows(
                np.empty(0, np.intp), np.empty(0, np.int64), np.empty((0, n_signals)), np.empty(0, bool)
            )
        order = np.lexsort((t, device))
        device, signal, t, value, live = (column[order] for column in (device, signal, t, value, live))
        begins = np.r_[True, (device[1:] != device[:-1]) | (t[1:] != t[:-1])]
        start = np.flatnonzero(begins)
        of = np.cumsum(begins) - 1
        x = np.zeros((len(start), n_signals))
        there = np.zeros(x.shape, bool)
        x[of, signal], there[of, signal] = value, True
        rows = Rows(device[start], t[start], x, np.logical_and.reduceat(live, start))
        complete = there.sum(axis=1) == wanted[rows.device]
        self._keep(rows, there, complete)
        return Rows(rows.device[complete], rows.t[complete], x[complete], rows.live[complete])

    def _keep(self, rows: Rows, there: NDArray[np.bool_], complete: NDArray[np.bool_]) -> None:
        """Keep each device's newest instant, if it is incomplete."""
        newest = np.flatnonzero(np.r_[rows.device[1:] != rows.device[:-1], True])
        device = rows.device[newest]
        open_ = ~complete[newest]
        self.t[device] = np.where(open_, rows.t[newest], 0)
        self.there[device] = there[newest] & open_[:, None]
        self.x[device] = np.where(self.there[device], rows.x[newest], 0.0)
        self.live[device] = rows.live[newest] | ~open_
