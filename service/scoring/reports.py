"""Reports: from a score of every row to one flag per event, for benchmarks that charge every flagged row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR = 0.6
ESCALATION = 1.2
REFRACTORY = 150
PATIENCE = 2


def reports(
    score: NDArray[np.float64],
    *,
    floor: float = FLOOR,
    escalation: float = ESCALATION,
    refractory: int = REFRACTORY,
    patience: int = PATIENCE,
) -> NDArray[np.float64]:
    """Return, at the row where an event is reported, the height of its score; 0 at all other rows.

    An event begins where the score reaches `floor` and either more than `refractory` rows have passed since the last
    report or it is `escalation` times as high as what was reported. It is reported as soon as the score rises no
    more, or `patience` rows later. So every event has one flag that carries its height, and a threshold on the
    result chooses among events.
    """
    reported = np.zeros(len(score))
    height, age, peak, waited = 0.0, refractory + 1, 0.0, 0
    for i, s in enumerate(np.nan_to_num(score).tolist()):
        age += 1
        if not peak:
            if s >= floor and (age > refractory or s >= escalation * height):
                peak, waited = s, 0
            continue
        rises = s > peak
        peak, waited = max(s, peak), waited + 1
        if not rises or waited >= patience:
            reported[i] = height = peak
            age, peak = 0, 0.0
    return reported
