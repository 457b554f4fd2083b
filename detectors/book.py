"""Book: limits as rows, and what alarms make of them: kinds that many share, and the state of each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """L levels of alarms; rows of one (channel, rule) are one alarm.

    channel int32[L] the statistic · rule int32[L] · subject_kind uint8[L], subject int32[L] what it is about
    level uint8[L] · high bool[L] · limit, deadband float64[L]
    on_delay, off_delay int64[L] ns · max_gap int64[L] ns, 0 = no gap is too long
    """

    channel: NDArray[np.int32]
    rule: NDArray[np.int32]
    subject_kind: NDArray[np.uint8]
    subject: NDArray[np.int32]
    level: NDArray[np.uint8]
    high: NDArray[np.bool_]
    limit: NDArray[np.float64]
    deadband: NDArray[np.float64]
    on_delay: NDArray[np.int64]
    off_delay: NDArray[np.int64]
    max_gap: NDArray[np.int64]

    @classmethod
    def none(cls) -> Limits:
        """Return no limits."""
        whole, half, byte = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8)
        real = np.empty(0)
        return cls(half, half, byte, half, byte, np.empty(0, bool), real, real, whole, whole, whole)

    @classmethod
    def concat(cls, parts: list[Limits]) -> Limits:
        """Return all rows of all parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


@dataclass(slots=True, eq=False)
class Kinds:
    """C kinds of alarms: what many alarms have in common, with up to K slots for levels.

    rule int32[C] · subject_kind uint8[C]; per slot, [K, C]: shows uint8 2·level + high (0: there is no such slot)
    sign float64 (+1 high, -1 low) · limit float64 · on_at, off_at float64 in sign × unit, NaN where there is no slot
    on_delay, off_delay, max_gap int64 ns
    """

    rule: NDArray[np.int32]
    subject_kind: NDArray[np.uint8]
    shows: NDArray[np.uint8]
    sign: NDArray[np.float64]
    limit: NDArray[np.float64]
    on_at: NDArray[np.float64]
    off_at: NDArray[np.float64]
    on_delay: NDArray[np.int64]
    off_delay: NDArray[np.int64]
    max_gap: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Book:
    """G alarms ordered by (channel, rule), and their state.

    kind int32[G] column of `Kinds` · channel, subject int32[G] · first int32[G] row of its first slot
    Per slot, and in the last row one that is nobody's: evidence uint8 · mark int64 beginning of its run, 0 without
      active bool · since int64, 0 when not
    Per alarm: last_t int64 last sample, 0 at rest · told uint8 `shows` told live, 0 none · told_since int64
    """

    kind: NDArray[np.int32]
    channel: NDArray[np.int32]
    subject: NDArray[np.int32]
    first: NDArray[np.int32]
    evidence: NDArray[np.uint8]
    mark: NDArray[np.int64]
    active: NDArray[np.bool_]
    since: NDArray[np.int64]
    last_t: NDArray[np.int64]
    told: NDArray[np.uint8]
    told_since: NDArray[np.int64]


def tabulate(rows: Limits) -> tuple[Kinds, Book]:
    """Return kinds and book of these limits, nothing raised; raises ValueError when two rows share a slot."""
    order = np.lexsort((~rows.high, rows.level, rows.rule, rows.channel))
    rows = Limits(*(getattr(rows, name)[order] for name in Limits.__slots__))
    n = len(order)
    group_key = np.stack([rows.channel, rows.rule])
    first = np.ones(n, bool)
    first[1:] = (group_key[:, 1:] != group_key[:, :-1]).any(axis=0)
    same = ~first[1:] & (rows.level[1:] == rows.level[:-1]) & (rows.high[1:] == rows.high[:-1])
    if same.any():
        raise ValueError("two limits of one (rule, series, level, side)")
    alarm = np.cumsum(first) - 1
    slot = np.arange(n) - np.flatnonzero(first)[alarm]
    shape = (max(1, int(slot.max(initial=-1)) + 1), int(first.sum()))
    sign = np.where(rows.high, 1.0, -1.0)

    def place(values: NDArray[Any], empty: float, dtype: type[np.generic]) -> NDArray[Any]:
        placed = np.full(shape, empty, dtype)
        placed[slot, alarm] = values
        return placed

    every = Kinds(
        rule=rows.rule[first],
        subject_kind=rows.subject_kind[first],
        shows=place(rows.level * 2 + rows.high, 0, np.uint8),
        sign=place(sign, 1.0, np.float64),
        limit=place(rows.limit, np.nan, np.float64),
        on_at=place(sign * rows.limit, np.nan, np.float64),
        off_at=place(sign * rows.limit - rows.deadband, np.nan, np.float64),
        on_delay=place(rows.on_delay, 0, np.int64),
        off_delay=place(rows.off_delay, 0, np.int64),
        max_gap=place(np.where(rows.max_gap > 0, rows.max_gap, _NEVER), _NEVER, np.int64),
    )
    kinds, kind = _distinct(every)
    book = Book(
        kind=kind,
        channel=rows.channel[first],
        subject=rows.subject[first],
        first=np.flatnonzero(first).astype(np.int32),
        evidence=np.zeros(n + 1, np.uint8),
        mark=np.zeros(n + 1, np.int64),
        active=np.zeros(n + 1, bool),
        since=np.zeros(n + 1, np.int64),
        last_t=np.zeros(shape[1], np.int64),
        told=np.zeros(shape[1], np.uint8),
        told_since=np.zeros(shape[1], np.int64),
    )
    return kinds, book


def _distinct(every: Kinds) -> tuple[Kinds, NDArray[np.int32]]:
    """Return the distinct kinds, and which of them each alarm has."""
    n = len(every.rule)
    columns = [np.atleast_2d(getattr(every, field.name)) for field in fields(Kinds)]
    bits = np.vstack([column.astype(np.float64) for column in columns]).view(np.int64)
    hashed = np.zeros(n, np.uint64)
    for row in bits.view(np.uint64):
        hashed = (hashed ^ row) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    _, first, kind = np.unique(hashed, return_index=True, return_inverse=True)
    if not np.array_equal(bits[:, first[kind]], bits):  # two kinds of one hash: tell apart by every bit
        _, first, kind = np.unique(bits, axis=1, return_index=True, return_inverse=True)
    picked = {field.name: getattr(every, field.name)[..., first].copy() for field in fields(Kinds)}
    return Kinds(**picked), kind.reshape(-1).astype(np.int32)
