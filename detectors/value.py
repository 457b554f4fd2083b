"""The reading itself: what a plain limit is held against."""

from __future__ import annotations

from detectors.operator import Lanes, Operator
from detectors.rows import Floats, Rows


def derive(rows: Rows, lanes: Lanes) -> Floats:  # noqa: ARG001 - an operator without state
    return rows.value


VALUE = Operator("value", derive)
