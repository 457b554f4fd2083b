"""Lifecycle: how one alert answers one edge or one person; pure, and states move through NEXT only.

A `Move` is the alert afterwards, the lines of its history and why people are told ("" = nobody is).
None means that nothing follows: a repeated edge is an identity, so a replay is no error.

Repeated is a RAISE that is not newer than the newest RAISE taken (of the same instant, only a higher level is
news), and a CLEAR that is not newer than the newest CLEAR taken or older than the beginning of the condition.
It is not held against the RAISE itself: silence is found by our clock and may end at the time of a sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from alerts.changes import Alert, Transition, altered
from alerts.policy import Rung
from alerts.state import (
    FIRST_STAGE,
    NEXT,
    NEXT_STAGE,
    OWING,
    PRESENT,
    UNANSWERED,
    Cause,
    Deed,
    Stage,
    State,
    Suppression,
    anew,
)
from core.events import Rule, SubjectKind
from core.levels import Level
from registry.catalog import Subject

# Crockford's base 32: no I, L, O, U, so that an id survives a telephone.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_CHARS = 12
# Of the last raisings an alert remembers so many: more than any detector of chattering asks for.
MOST_RAISES = 64


@dataclass(frozen=True, slots=True)
class Edge:
    """One event, taken out of its columns (core/events.py gives the meaning of each)."""

    rule: Rule
    level: Level
    subject_kind: SubjectKind
    subject: int
    series: int
    t: int
    since: int
    value: float
    limit: float
    historical: bool = False

    @property
    def key(self) -> tuple[str, SubjectKind, int]:
        return self.rule.code, self.subject_kind, self.subject


@dataclass(frozen=True, slots=True)
class Move:
    """What follows for one alert; `rungs` are who joins beside those whom the step tells anyway."""

    alert: Alert
    transitions: tuple[Transition, ...] = ()
    step: str = ""
    rungs: tuple[Rung, ...] = ()


def alert_id(rule: str, subject_kind: int, subject: int, raised: int) -> str:
    """Return 12 characters that name an alert, the same in every replay.

    60 bits: among a million alerts ever raised, two share an id with a chance below one in a million.
    """
    digest = blake2b(f"{rule}|{subject_kind}|{subject}|{raised}".encode(), digest_size=8).digest()
    bits = int.from_bytes(digest)
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 5 * _ID_CHARS, 5))


def opened(edge: Edge, subject: Subject, now: int) -> Move:
    """Return the alert that a first RAISE opens."""
    alert = Alert(
        id=alert_id(*edge.key, edge.t),
        rule=edge.rule.code,
        rule_version=edge.rule.version,
        subject_kind=edge.subject_kind,
        subject=edge.subject,
        series=edge.series,
        enterprise=subject.enterprise,
        data_quality=edge.rule.data_quality,
        state=NEXT[State.NORMAL, Cause.RAISE],
        suppression=Suppression.NONE,
        level=edge.level,
        level_now=int(edge.level),
        raised=edge.t,
        changed=edge.t,
        opened=now,
        value=edge.value,
        limit=edge.limit,
        unit=edge.rule.unit or subject.unit,
        seq=1,
        since=edge.since,
        last_raise=edge.t,
        expected=now,
        owing=0 if edge.rule.data_quality else now,
        raises=(edge.t,),
    )
    line = Transition(
        alert.id,
        1,
        "open",
        State.NORMAL,
        alert.state,
        alert.level,
        edge.t,
        now,
        value=edge.value,
        stage=FIRST_STAGE,
    )
    return Move(alert, (line,), "raise-1")


def raised(alert: Alert, edge: Edge, now: int) -> Move | None:
    """Return what a RAISE does to an open alert; a higher level than ever before must be answered anew."""
    if alert.state not in PRESENT:
        return _come_again(alert, edge, now) if edge.t > alert.last_raise else None
    if (edge.t, edge.level) <= (alert.last_raise, alert.level_now):
        return None
    measured: dict[str, Any] = {
        "level_now": int(edge.level),
        "value": edge.value,
        "limit": edge.limit,
        "last_raise": edge.t,
    }
    if edge.level <= alert.level:
        return Move(altered(alert, **measured))
    step = f"level-{edge.level:d}"
    measured |= {"level": edge.level, **_asked_anew(now)}
    return moved(alert, "level", anew(alert.state), t=edge.t, now=now, step=step, **measured)


def cleared(alert: Alert, edge: Edge, now: int) -> Move | None:
    """Return what a CLEAR does to an open alert.

    Data-quality alerts close with it: they ask nothing of anybody once the data are back.
    A historical CLEAR moves the state as a live one does, for absence was seen; but nobody is told old news.
    """
    state = NEXT[alert.state, Cause.CLEAR]
    if state == alert.state or edge.t <= alert.last_clear or edge.t < alert.since:
        return None
    step = "" if edge.historical else f"clear-{alert.count}"
    note = "historical" if edge.historical else ""
    move = moved(
        alert,
        Cause.CLEAR,
        state,
        t=edge.t,
        now=now,
        step=step,
        note=note,
        value=edge.value,
        level_now=0,
        recovered=edge.t,
        last_clear=edge.t,
    )
    if not alert.data_quality:
        return move
    # At the time of the sample: a replay by another clock writes the same history.
    end = closed(move.alert, now, by="", note="恢复正常 / back to normal", t=edge.t)
    return Move(end.alert, move.transitions + end.transitions, step)


def acked(alert: Alert, now: int, *, by: str, note: str = "") -> Move | None:
    """Return what a person's answer does; None when somebody has answered already."""
    if alert.state not in UNANSWERED:
        return None
    state = NEXT[alert.state, Cause.ACK]
    return moved(alert, Cause.ACK, state, t=now, now=now, by=by, note=note, acked=now, acked_by=by)


def closed(
    alert: Alert,
    now: int,
    *,
    by: str,
    note: str,
    cause: str = Deed.CLOSE,
    detail: str = "",
    t: int = 0,
    **fields: Any,
) -> Move:
    """Return the closed alert; a person who closes has answered, and the history says so first.

    cause : Deed.CLOSE, ACCEPT or MERGE · t : ns, 0 = now.  Raises ValueError where the stage does not allow it.
    """
    stage = NEXT_STAGE[alert.stage, Deed(cause)]
    if stage is None:
        raise ValueError(f"{cause} at {alert.stage}")
    answer = acked(alert, now, by=by) if by else None
    alert = answer.alert if answer else alert
    end = moved(
        alert,
        cause,
        alert.state,
        t=t or now,
        now=now,
        step="close",
        by=by,
        note=note,
        detail=detail,
        stage=stage,
        closed=now,
        closed_by=by,
        closing_note=note,
        owing=0,
        **fields,
    )
    return Move(end.alert, answer.transitions + end.transitions, end.step) if answer else end


def reopened(alert: Alert, edge: Edge, now: int) -> Move:
    """Return the alert that a RAISE brings back after it was closed: another round of handling."""
    afresh: dict[str, Any] = {
        "closed": 0,
        "closed_by": "",
        "closing_note": "",
        "handler": "",
        "handling": 0,
        "measure": "",
        "done": 0,
        "proof": "",
        "reported": 0,
        "reported_by": "",
        "reviewed": 0,
        "reviewer": "",
        "false_alarm": False,
        "merged_into": "",
        "suppression": Suppression.NONE,
        "reopened": alert.reopened + 1,
    }
    return _come_again(alert, edge, now, cause="reopen", **afresh)


def _come_again(alert: Alert, edge: Edge, now: int, *, cause: str = Cause.RAISE, **fields: Any) -> Move:
    """The condition comes again: whoever answered before must answer anew, and do more than before."""
    count = alert.count + 1
    stage = NEXT_STAGE[alert.stage, Deed.COME_AGAIN]
    assert stage is not None
    owed = 0 if alert.data_quality else alert.owing if alert.stage in OWING else now
    return moved(
        alert,
        cause,
        anew(alert.state),
        t=edge.t,
        now=now,
        step=f"raise-{count}",
        stage=stage,
        level=max(alert.level, edge.level),
        level_now=int(edge.level),
        value=edge.value,
        limit=edge.limit,
        series=edge.series or alert.series,
        count=count,
        since=edge.since,
        last_raise=edge.t,
        recovered=0,
        owing=owed,
        raises=(*alert.raises, edge.t)[-MOST_RAISES:],
        **_asked_anew(now),
        **fields,
    )


def _asked_anew(now: int) -> dict[str, Any]:
    return {"acked": 0, "acked_by": "", "expected": now, "tier": 0}


def moved(
    alert: Alert,
    cause: str,
    state: State,
    *,
    t: int,
    now: int,
    step: str = "",
    by: str = "",
    note: str = "",
    detail: str = "",
    stage: Stage | None = None,
    **fields: Any,
) -> Move:
    """Write one line of history and the alert after it; without `stage` that stays as it is."""
    stage = stage or alert.stage
    after = altered(alert, state=state, stage=stage, seq=alert.seq + 1, changed=t, **fields)
    value = fields.get("value", math.nan)
    line = Transition(
        alert=alert.id,
        seq=after.seq,
        cause=str(cause),
        old=alert.state,
        new=state,
        level=after.level,
        t=t,
        now=now,
        by=by,
        note=note,
        value=value,
        stage=stage,
        detail=detail,
    )
    # A CLEAR has a value of its own, but the alert keeps the one that raised it.
    return Move(altered(after, value=alert.value) if cause == Cause.CLEAR else after, (line,), step)
