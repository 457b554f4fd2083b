"""The ISA-18.2 alarm states, and the stages of handling on top of them: two total tables.

Rule 1: everything that moves a state or a stage is in this file.
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


class Stage(StrEnum):
    """How far people are with it."""

    NEW = "new"  # 待处置: nobody handles it
    HANDLING = "handling"  # 处置中: somebody does
    REVIEW = "review"  # 待审核: measure, completion and evidence are reported
    CLOSED = "closed"  # 已消警


class Deed(StrEnum):
    """What may move a stage."""

    HANDLE = "handle"
    FEEDBACK = "feedback"
    FALSE_ALARM = "false_alarm"
    ACCEPT = "accept"
    REJECT = "reject"
    MERGE = "merge"
    CLOSE = "close"  # without feedback and review, where that is allowed
    COME_AGAIN = "come_again"  # the condition, after it was absent or the alert closed


# Total; None is refused.  A condition that comes again asks for another measure than the one reported.
NEXT_STAGE: Mapping[tuple[Stage, Deed], Stage | None] = {
    (Stage.NEW, Deed.HANDLE): Stage.HANDLING,
    (Stage.NEW, Deed.FEEDBACK): Stage.REVIEW,
    (Stage.NEW, Deed.FALSE_ALARM): Stage.REVIEW,
    (Stage.NEW, Deed.ACCEPT): None,
    (Stage.NEW, Deed.REJECT): None,
    (Stage.NEW, Deed.MERGE): Stage.CLOSED,
    (Stage.NEW, Deed.CLOSE): Stage.CLOSED,
    (Stage.NEW, Deed.COME_AGAIN): Stage.NEW,
    (Stage.HANDLING, Deed.HANDLE): Stage.HANDLING,
    (Stage.HANDLING, Deed.FEEDBACK): Stage.REVIEW,
    (Stage.HANDLING, Deed.FALSE_ALARM): Stage.REVIEW,
    (Stage.HANDLING, Deed.ACCEPT): None,
    (Stage.HANDLING, Deed.REJECT): None,
    (Stage.HANDLING, Deed.MERGE): Stage.CLOSED,
    (Stage.HANDLING, Deed.CLOSE): Stage.CLOSED,
    (Stage.HANDLING, Deed.COME_AGAIN): Stage.HANDLING,
    (Stage.REVIEW, Deed.HANDLE): Stage.HANDLING,
    (Stage.REVIEW, Deed.FEEDBACK): Stage.REVIEW,
    (Stage.REVIEW, Deed.FALSE_ALARM): Stage.REVIEW,
    (Stage.REVIEW, Deed.ACCEPT): Stage.CLOSED,
    (Stage.REVIEW, Deed.REJECT): Stage.HANDLING,
    (Stage.REVIEW, Deed.MERGE): Stage.CLOSED,
    (Stage.REVIEW, Deed.CLOSE): Stage.CLOSED,
    (Stage.REVIEW, Deed.COME_AGAIN): Stage.HANDLING,
    (Stage.CLOSED, Deed.HANDLE): None,
    (Stage.CLOSED, Deed.FEEDBACK): None,
    (Stage.CLOSED, Deed.FALSE_ALARM): None,
    (Stage.CLOSED, Deed.ACCEPT): None,
    (Stage.CLOSED, Deed.REJECT): None,
    (Stage.CLOSED, Deed.MERGE): None,
    (Stage.CLOSED, Deed.CLOSE): None,
    (Stage.CLOSED, Deed.COME_AGAIN): Stage.NEW,
}

OWING = frozenset({Stage.NEW, Stage.HANDLING})  # feedback is owed
FIRST_STAGE = Stage.NEW


def anew(state: State) -> State:
    """Return the state of a condition that must be answered anew: gone for a moment, and there again."""
    return NEXT[NEXT[state, Cause.CLEAR], Cause.RAISE]
