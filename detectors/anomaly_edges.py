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
