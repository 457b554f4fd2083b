"""What the desk decides about one batch; the store writes it, nobody else reads it in between."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.state import Cause, State, Suppression
from core.events import SubjectKind
from core.levels import Level


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, from its first raising until a person closes it; at most one is open per (rule, subject).

    id          short and deterministic (a replay gives the same), e.g. "7K3FQ2MD"
    level       the highest so far: what people are told and routing looks at
    level_now   what is present now, 0 when the condition is absent
    raised, changed        event time of the first raising and of the last transition, ns
    opened      `now` of the batch that opened it, ns
    value, limit, unit     of the latest raising
    count       how often the condition has come (1 = the first time)
    recovered, acked, closed   event time / `now` of it, ns; 0 = not yet, or undone by a raising since
    evidence    JSON of what an officer needs to believe it; "" until gathered
    seq         number of its last transition
    since       when the condition of the latest raising began, ns (on-delay ago)
    last_raise, last_clear     event time of the newest RAISE and CLEAR taken; what is not newer is a replay
    told        codes of the contacts who were told: they hear of the recovery too
    """

    id: str
    rule: str
    rule_version: str
    subject_kind: SubjectKind
    subject: int
    series: int
    enterprise: int
    data_quality: bool
    state: State
    suppression: Suppression
    level: Level
    level_now: int
    raised: int
    changed: int
    opened: int
    value: float
    limit: float
    unit: str
    count: int = 1
    recovered: int = 0
    acked: int = 0
    acked_by: str = ""
    closed: int = 0
    closed_by: str = ""
    closing_note: str = ""
    evidence: str = ""
    seq: int = 0
    since: int = 0
    last_raise: int = 0
    last_clear: int = 0
    told: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, SubjectKind, int]:
        """What makes it one alert: (rule, kind of subject, subject)."""
        return self.rule, self.subject_kind, self.subject


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of an alert's history; `seq` counts from 1 within the alert."""

    alert: str
    seq: int
    cause: str  # a Cause, or "open", "level", "close"
    old: State
    new: State
    level: Level
    t: int  # event time, ns
    now: int  # wall clock of the batch, ns
    by: str = ""  # a person, "" = the service
    note: str = ""
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class Note:
    """One message to one recipient by one channel: a row of the outbox.

    key         idempotency key "ALERT:STEP:RECIPIENT:CHANNEL"; a second row with it is ignored
    step        why: "raise-1", "level-4", "clear-1", "close" (the number keeps steps of one alert apart)
    recipient   code of the contact; address what the channel needs to reach it
    """

    key: str
    alert: str
    step: str
    recipient: str
    channel: str
    address: str
    level: Level
    title: str
    text_zh: str
    text_en: str
    link: str
    created: int  # `now`, ns


@dataclass(frozen=True, slots=True)
class Finding:
    """What late or historical samples would have raised: stored, shown, never sent (law 5)."""

    rule: str
    subject_kind: SubjectKind
    subject: int
    level: Level
    t: int
    now: int
    value: float
    limit: float


class CommandKind(StrEnum):
    """What a person may ask of the desk."""

    ACK = "ack"
    HAND_ON = "hand_on"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked; the desk carries it out in its own turn, so that only the desk moves a state."""

    id: int
    kind: CommandKind
    alert: str
    by: str
    note: str
    asked: int  # ns


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command; `problem` is "" when it was carried out."""

    command: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything one step of the desk decided, in order."""

    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    notes: tuple[Note, ...] = ()
    findings: tuple[Finding, ...] = ()
    answers: tuple[Answer, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.alerts or self.transitions or self.notes or self.findings or self.answers)


__all__ = ["Alert", "Answer", "Cause", "Changes", "Command", "CommandKind", "Finding", "Note", "Transition"]
