"""Edges: what changes when alarms are moved reading by reading, told once to live readings and once to historical ones.

Before a live reading stands what live readings were told; before a historical one, what was present. So an alarm
found in historical readings is a finding, and is said again, live, if it is still there (core/events.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.events import Events, Kind, SubjectKind


@dataclass(slots=True, eq=False)
class Edges:
    """N alarms: active now · told, what live readings have said · since, ns, when it began or the last one did."""

    active: NDArray[np.bool_]
    told: NDArray[np.bool_]
    since: NDArray[np.int64]

    @classmethod
    def quiet(cls, n: int) -> Edges:
        """Return n alarms that were never active."""
        return cls(np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, np.int64))

    @classmethod
    def restored(cls, state: Mapping[str, Any], prefix: str) -> Edges:
        """Return the alarms that `kept` under the same prefix."""
        return cls(**{field.name: state[prefix + field.name].copy() for field in fields(cls)})

    def kept(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return copies under prefixed names."""
        return {prefix + field.name: getattr(self, field.name).copy() for field in fields(self)}

    def carry(self, old: Edges, there: NDArray[np.intp], here: NDArray[np.intp]) -> None:
        """Take over these alarms."""
        for field in fields(self):
            getattr(self, field.name)[here] = getattr(old, field.name)[there]

    def withdrawn(
        self,
        gone: NDArray[np.intp],
        *,
        rule: NDArray[np.int32],
        level: NDArray[np.uint8],
        kind: int,
        subject: NDArray[np.int32],
        limit: NDArray[np.float64],
        now: int,
    ) -> Events:
        """Return the clearing, by the wall clock, of alarms that were told and are no longer watched."""
        n = len(gone)
        if not n:
            return Events.empty()
        return Events(
            rule=rule.astype(np.int32),
            kind=np.full(n, Kind.CLEAR, np.uint8),
            level=level,
            subject_kind=np.full(n, kind, np.uint8),
            subject=subject,
            series=subject if kind == SubjectKind.SERIES else np.zeros(n, np.int32),
            t=np.full(n, now - now % 1000, np.int64),
            since=self.since[gone],
            value=np.full(n, np.nan),
            limit=limit,
            historical=np.zeros(n, bool),
        )

    def move(
        self, lane: NDArray[np.intp], active: NDArray[np.bool_], t: NDArray[np.int64], live: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Set different alarms at one reading each; return the places at which something is to be said."""
        was = self.active[lane]
        self.since[lane] = np.where(active & ~was, t, self.since[lane])
        self.active[lane] = active
        said = np.flatnonzero(active != np.where(live, self.told[lane], was))
        self.told[lane[live]] = active[live]
        return said
