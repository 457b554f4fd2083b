"""The pipeline with a store that keeps nothing: what the database costs is the difference."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alerts.changes import Changes
from service.config import load
from service.pipeline_process import work
from storage.ledger import Tally
from storage.store import Restored, Store
from storage.unit import Outcome, Unit


class Nothing:
    """Says "durable" at once, and counts what it was given."""

    def restore(self) -> Restored:
        return Restored(seq=0, now=0, state=None, meta={}, log=iter(()))

    def commit(self, seq: int, unit: Unit, _changes: Changes, _gateway_of: NDArray[np.int32]) -> Outcome:
        n = np.array([len(unit.batch)], np.int32)
        none = np.zeros(1, np.int32)
        return Outcome(seq, Tally(gateway=none, received=n, stored=n, duplicate=none, rejected=none))

    def checkpoint(self, _seq: int, _state: object, **_options: Any) -> None:
        """Keep nothing."""


if __name__ == "__main__":
    work(load(Path(sys.argv[1])), cast("Store", Nothing()))
