"""Events: what detectors say about a batch, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What an event says.

    RAISE  the condition is present at `level`; said again when the level changes, up or down,
           and when a condition that was found in historical samples is still there in live ones
    CLEAR  the condition was seen to be absent (never said because data is missing: law 6)
    """

    RAISE = 1
    CLEAR = 2


class SubjectKind(IntEnum):
    """What an alert is about; with the registry's primary key it names one thing."""

    SERIES = 1
    DEVICE = 2
    GATEWAY = 3
    ENTERPRISE = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """What people are told about a rule; `Events.rule` is a row in the bank's tuple of these.

    code : str        "D-02", "Q-01", or "LIMIT" for a limit set for one series in the registry
    version : str     hash of everything that decides; stored with the alert
    unit : str        unit of value and limit
    """

    code: str
    title_zh: str
    title_en: str
    unit: str = ""
    advice_zh: str = ""
    advice_en: str = ""
    source: str = ""
    version: str = ""
    data_quality: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """E edges as columns, ordered by (t, rule, subject).

    rule    : int32[E]    row in the bank's rules
    kind    : uint8[E]    `Kind`
    level   : uint8[E]    `Level` present now; of a CLEAR, the level that went
    subject_kind : uint8[E]  `SubjectKind`
    subject : int32[E]    primary key of the subject
    series  : int32[E]    the series whose sample decided, 0 when none did
    t       : int64[E]    event time of the edge, ns
    since   : int64[E]    when the condition began, ns (on-delay ago)
    value   : float64[E]  the reading or statistic; NaN when there is none
    limit   : float64[E]  what it was held against; NaN when there is none
    historical : bool[E]  found in samples that arrived long after they were measured: a finding, no page
    """

    rule: NDArray[np.int32]
    kind: NDArray[np.uint8]
    level: NDArray[np.uint8]
    subject_kind: NDArray[np.uint8]
    subject: NDArray[np.int32]
    series: NDArray[np.int32]
    t: NDArray[np.int64]
    since: NDArray[np.int64]
    value: NDArray[np.float64]
    limit: NDArray[np.float64]
    historical: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rule)

    @classmethod
    def empty(cls) -> Events:
        """Return no events."""
        return _NONE

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Events:
        """Return the chosen rows, in the given order."""
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def concat(cls, parts: Sequence[Events]) -> Events:
        """Return all parts as one, ordered by (t, rule, subject); equal keys keep the order of the parts."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.empty()
        joined = cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))
        return joined.take(np.lexsort((joined.subject, joined.rule, joined.t)))


_DTYPES = (
    np.int32, np.uint8, np.uint8, np.uint8, np.int32, np.int32,
    np.int64, np.int64, np.float64, np.float64, np.bool_,
)  # fmt: skip
_COLUMNS: list[Any] = [np.empty(0, dtype) for dtype in _DTYPES]
_NONE = Events(*_COLUMNS)
