"""The ISA-18.2 alarm states as one total table.

Rule 1: everything that moves a state is in this file.
Present? × acknowledged? gives the four states; suppression is a second axis (OPC UA Part 9, 5.8.2), and the
handling loop 处置 → 反馈 → 审核 → 消警 lies on top: a signal that returns to normal never closes an alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Is the condition present, and has a person answered?"""

    UNACK = "unack"  # present, nobody has answered
    ACKED = "acked"  # present, somebody has answered
    RTN_UNACK = "rtn_unack"  # returned to normal, nobody has answered
    NORMAL = "normal"  # returned to normal, somebody has answered


class Cause(StrEnum):
    """What may move a state."""

    RAISE = "raise"
    CLEAR = "clear"
    ACK = "ack"


class Suppression(StrEnum):
    """Why nobody is told although the state moves."""

    NONE = "none"
    SHELVED = "shelved"
    BY_DESIGN = "by_design"
    OUT_OF_SERVICE = "out_of_service"


# Total, so that a repeated cause is an identity and a replay is no error.
NEXT: Mapping[tuple[State, Cause], State] = {
    (State.NORMAL, Cause.RAISE): State.UNACK,
    (State.NORMAL, Cause.CLEAR): State.NORMAL,
    (State.NORMAL, Cause.ACK): State.NORMAL,
    (State.UNACK, Cause.RAISE): State.UNACK,
    (State.UNACK, Cause.CLEAR): State.RTN_UNACK,
    (State.UNACK, Cause.ACK): State.ACKED,
    (State.ACKED, Cause.RAISE): State.ACKED,
    (State.ACKED, Cause.CLEAR): State.NORMAL,
    (State.ACKED, Cause.ACK): State.ACKED,
    (State.RTN_UNACK, Cause.RAISE): State.UNACK,
    (State.RTN_UNACK, Cause.CLEAR): State.RTN_UNACK,
    (State.RTN_UNACK, Cause.ACK): State.NORMAL,
}

PRESENT = frozenset({State.UNACK, State.ACKED})
UNANSWERED = frozenset({State.UNACK, State.RTN_UNACK})
