"""What every detector promises; tests/properties/test_detector_contract.py holds each of them to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Events
from detectors.frame import Frame

State = Mapping[str, NDArray[np.generic]]


class Detector(Protocol):
    """Finds edges in a stream of batches; all state in arrays, no clock, no I/O.

    Laws
    split      step(a, now) then step(b, now) say and remember what step(a ++ b, now) would,
               for every b whose samples come after a's, series by series
    snapshot   restore(snapshot()) on a new detector changes nothing that can be seen afterwards; the snapshot
               includes the parameters, so that a log is replayed under the limits of its time
    own        no array is shared with a snapshot, a batch or a plan
    input      the batch is not written to, and nothing of it is kept
    bounded    memory depends on the parameters, never on how many samples were seen
    total      an empty batch, NaN, infinities and values of 1e15 are ordinary input

    Rows flagged LATE must have been taken out by the caller (`Batch.live`).
    """

    def step(self, batch: Batch, now: int) -> Events:
        """Return what the batch changes; `now` is the wall clock in ns, the same or later than last time."""
        ...

    def feed(self, frame: Frame, now: int) -> Events:
        """Do as `step`, with the batch already cut into runs; a bank cuts once for all its detectors."""
        ...

    def snapshot(self) -> State:
        """Return copies of all arrays that decide what comes next, parameters and state."""
        ...

    def restore(self, state: State) -> None:
        """Become the detector whose snapshot this is."""
        ...
