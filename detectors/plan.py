"""Plan: what is to be detected, as plain arrays; service/ makes it from the registry and the rule packs.

A dust collector's hopper (series 7, of gateway 2) with two limits, watched for a silence of three minutes:

>>> import numpy as np
>>> from core.events import Rule
>>> from core.time import SECOND
>>> plan = Plan(
...     rules=(Rule("LIMIT", "超限", "limit"), Rule("Q-02", "断", "stale"), Rule("Q-01", "离线", "offline")),
...     thresholds=Thresholds.rows([
...         {"rule": 0, "series": 7, "level": 3, "limit": 60.0, "deadband": 5.0, "on_delay": 30 * SECOND},
...         {"rule": 0, "series": 7, "level": 4, "limit": 70.0, "deadband": 10.0, "on_delay": 10 * SECOND},
...     ]),
...     silences=Silences.rows([{"rule": 1, "subject": 7, "level": 2, "allowed": 180 * SECOND}]),
...     gateway_silences=Silences.rows([{"rule": 2, "subject": 2, "level": 2, "allowed": 180 * SECOND}]),
...     gateway_of=np.array([0, 0, 0, 0, 0, 0, 0, 2], np.int32),
... )
>>> len(plan.thresholds), plan.n_series
(2, 8)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.events import Rule
from detectors.anomaly import Watched as Scored
from detectors.pca import Devices

_REQUIRED = object()
_THRESHOLD_COLUMNS: Mapping[str, tuple[type[np.generic], Any]] = {
    "rule": (np.int32, _REQUIRED),
    "series": (np.int32, _REQUIRED),
    "level": (np.uint8, _REQUIRED),
    "limit": (np.float64, _REQUIRED),
    "high": (np.bool_, True),
    "deadband": (np.float64, 0.0),
    "on_delay": (np.int64, 0),
    "off_delay": (np.int64, 0),
    "max_gap": (np.int64, 0),
}
_SILENCE_COLUMNS: Mapping[str, tuple[type[np.generic], Any]] = {
    "rule": (np.int32, _REQUIRED),
    "subject": (np.int32, _REQUIRED),
    "level": (np.uint8, _REQUIRED),
    "allowed": (np.int64, _REQUIRED),
    "worse": (np.uint8, 0),
    "worse_after": (np.int64, 0),
}


def _columns(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[type[np.generic], Any]]
) -> dict[str, NDArray[Any]]:
    """Return rows as columns; raises KeyError for a column that is unknown or missing."""
    unknown = {name for row in rows for name in row} - columns.keys()
    if unknown:
        raise KeyError(f"no column {sorted(unknown)}; there are {sorted(columns)}")
    return {
        name: np.array([row[name] if default is _REQUIRED else row.get(name, default) for row in rows], dtype)
        for name, (dtype, default) in columns.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """L limits; the rows of one (rule, series) are the levels of one alarm.

    rule int32[L] (row in the plan's rules) · series int32[L] · level uint8[L] · high bool[L] (False: too low)
    limit, deadband float64[L] in the unit of the series, deadband >= 0 · on_delay, off_delay int64[L] ns
    max_gap int64[L] ns: a longer gap between usable samples restarts the delays; 0 = no gap is too long
    """

    rule: NDArray[np.int32]
    series: NDArray[np.int32]
    level: NDArray[np.uint8]
    limit: NDArray[np.float64]
    high: NDArray[np.bool_]
    deadband: NDArray[np.float64]
    on_delay: NDArray[np.int64]
    off_delay: NDArray[np.int64]
    max_gap: NDArray[np.int64]

    @classmethod
    def rows(cls, rows: Sequence[Mapping[str, Any]] = ()) -> Thresholds:
        """Return the limits of these dictionaries; what is left out has its default."""
        return cls(**_columns(rows, _THRESHOLD_COLUMNS))

    def __len__(self) -> int:
        return len(self.rule)


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """C statistics of one method, each of one series, and the limits that they are held against.

    method             a name in detectors/methods.py
    series int32[C] · params name -> float64[C]; what is left out has the method's default
    limits             as `plan.thresholds`, but its column `series` holds rows of this table, 0 … C-1
    """

    method: str
    series: NDArray[np.int32]
    params: Mapping[str, NDArray[np.float64]]
    limits: Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """One expression (detectors/expression.py) over the signals of each of M subjects.

    subject_kind a `SubjectKind` · subject int32[M]
    inputs    name in the expression -> int32[M] row among all rows of `plan.inputs`, -1: the subject has no such signal
    max_age   name -> int64[M] ns for which a sample stands for its signal, 0 = until the next one
    params    name -> float64[M]: what stands for a number that differs by subject
    limits    as `plan.thresholds`, but `series` holds rows 0 … M-1; a condition is 1 when it is true
    """

    expression: str
    subject_kind: int
    subject: NDArray[np.int32]
    inputs: Mapping[str, NDArray[np.int32]]
    max_age: Mapping[str, NDArray[np.int64]]
    params: Mapping[str, NDArray[np.float64]]
    limits: Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class Silences:
    """For how long a subject may be silent; at most one row per subject.

    rule int32[Q] (row in the plan's rules) · subject int32[Q] (series, gateway or enterprise) · level uint8[Q]
    allowed int64[Q] ns of watched time; 0 = for ever
    worse uint8[Q] the level from `worse_after` int64[Q] ns of silence on, 0 = it stays as it is
    """

    rule: NDArray[np.int32]
    subject: NDArray[np.int32]
    level: NDArray[np.uint8]
    allowed: NDArray[np.int64]
    worse: NDArray[np.uint8]
    worse_after: NDArray[np.int64]

    @classmethod
    def rows(cls, rows: Sequence[Mapping[str, Any]] = ()) -> Silences:
        """Return the table of these dictionaries."""
        return cls(**_columns(rows, _SILENCE_COLUMNS))

    def __len__(self) -> int:
        return len(self.rule)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that is to be detected; replaced whole when the registry or a rule pack changes.

    rules              rule codes are unique; state follows (code, subject) from one plan to the next
    thresholds         limits of readings · derived: limits of statistics of readings
    inputs             statistics (`value`: the reading itself) that conditions speak of; their limits are empty
    scored             series under the general score · devices: whose signals are looked at together
    gateway_of         int32[S] the gateway of each series, 0 = none; its length is the number of series
    enterprise_of      int32[G] the enterprise of each gateway, 0 = none
    """

    rules: tuple[Rule, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds.rows)
    derived: tuple[Derived, ...] = ()
    inputs: tuple[Derived, ...] = ()
    conditions: tuple[Conditions, ...] = ()
    scored: Scored = field(default_factory=lambda: Scored.of(np.empty(0, np.int32)))
    devices: Devices = field(default_factory=Devices.none)
    silences: Silences = field(default_factory=Silences.rows)
    gateway_silences: Silences = field(default_factory=Silences.rows)
    enterprise_silences: Silences = field(default_factory=Silences.rows)
    gateway_of: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1, np.int32))
    enterprise_of: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1, np.int32))

    @property
    def n_series(self) -> int:
        """Largest key of a series + 1."""
        return len(self.gateway_of)
