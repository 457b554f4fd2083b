"""What the desk decides about one batch; the store writes it, nobody else reads it in between."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any

from alerts.state import FIRST_STAGE, Cause, Stage, State, Suppression
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

    Handling (alerts/handling.py); what a round before a reopening said is in the history:
    stage       how far people are with it
    handler, handling          who handles it, and since when, ns
    measure, done, proof       what was done, when that was complete (ns), and where the evidence is
    reported, reported_by      when the measure was reported, ns, and by whom
    reviewed, reviewer, rejections    the last review, ns; how many went against the handler
    false_alarm    reported as one; it counts once the review is accepted and the alert closed
    merged_into    id of the alert that goes on for this one; "" = none
    exercise       an exercise: titles say so
    reopened       how often it came again after closing

    Deadlines (alerts/escalate.py) are these fields and the policy, so that a restart loses and repeats none:
    expected    `now` from which an answer is awaited, ns
    tier        rungs of the ladder taken for this answer
    owing       `now` from which feedback is awaited, ns; 0 = none is
    overdue     how often feedback was called overdue
    reached     when a note about it first reached a person after `expected`, ns; 0 = not yet
    alarmed     `expected` of the answer for which the operator was told that nobody was reached
    raises      event times of the last raisings, the oldest first
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
    stage: Stage = FIRST_STAGE
    handler: str = ""
    handling: int = 0
    measure: str = ""
    done: int = 0
    proof: str = ""
    reported: int = 0
    reported_by: str = ""
    reviewed: int = 0
    reviewer: str = ""
    rejections: int = 0
    false_alarm: bool = False
    merged_into: str = ""
    exercise: bool = False
    reopened: int = 0
    expected: int = 0
    tier: int = 0
    owing: int = 0
    overdue: int = 0
    reached: int = 0
    alarmed: int = 0
    raises: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, SubjectKind, int]:
        """What makes it one alert: (rule, kind of subject, subject)."""
        return self.rule, self.subject_kind, self.subject


_NAMES = tuple(field.name for field in fields(Alert))
_PLACE = {name: place for place, name in enumerate(_NAMES)}
_values = attrgetter(*_NAMES)


def altered(alert: Alert, **changed: Any) -> Alert:
    """Return the alert with other values, as dataclasses.replace does in three times the time."""
    values = list(_values(alert))
    for name, value in changed.items():
        values[_PLACE[name]] = value
    return Alert(*values)


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of an alert's history; `seq` counts from 1 within the alert.

    cause    a Cause, a Deed, or "open", "level", "reopen", "absorb", "exercise", "escalate", "overdue",
             "unreached", "shelve", "unshelve", "inhibit", "uninhibit"
    stage    of handling, afterwards
    detail   JSON object of what else was said (measure, completion, evidence …); "" for nothing
    """

    alert: str
    seq: int
    cause: str
    old: State
    new: State
    level: Level
    t: int  # event time, ns
    now: int  # wall clock of the batch, ns
    by: str = ""  # a person, "" = the service
    note: str = ""
    value: float = math.nan
    stage: str = ""
    detail: str = ""


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
    """What a person may ask of the desk; docs/alerts.md says what each needs."""

    ACK = "ack"
    HAND_ON = "hand_on"
    CLOSE = "close"
    HANDLE = "handle"
    FEEDBACK = "feedback"
    FALSE_ALARM = "false_alarm"
    ACCEPT = "accept"
    REJECT = "reject"
    MERGE = "merge"
    EXERCISE = "exercise"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    MAINTAIN = "maintain"


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asked; the desk carries it out in its own turn, so that only the desk moves a state.

    alert    "" for a maintenance window
    detail   a JSON object, what the kind needs (docs/alerts.md); "" for nothing
    """

    id: int
    kind: CommandKind
    alert: str
    by: str
    note: str
    asked: int  # ns
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """A fact from the outbox: a note about this alert reached a person at `at`, ns."""

    alert: str
    at: int


@dataclass(frozen=True, slots=True)
class Held:
    """A note that waits: it is looked at again at `until` (ns); `reason` is a `Hold`.

    note    as it would go out; it stands in Changes.notes of the step that wanted it too
    since   when it was first held, ns
    """

    note: Note
    reason: str
    until: int
    since: int


@dataclass(frozen=True, slots=True)
class Digest:
    """One note that carries others; each of `carries` is the key of a held note."""

    note: Note
    carries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A shelf or a maintenance window: alerts that it covers move, and nobody is told until it ends.

    id        the same in every replay of its command
    kind      SHELVED or OUT_OF_SERVICE
    rule      "" = every rule
    subject_kind, subject    what it covers, with all that lies below it
    begin, until    ns, until > begin
    begun, ended    `now` at which the desk put it into force and out of it, ns; 0 = not yet
    """

    id: str
    kind: Suppression
    rule: str
    subject_kind: SubjectKind
    subject: int
    enterprise: int
    begin: int
    until: int
    reason: str
    by: str
    made: int
    begun: int = 0
    ended: int = 0
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command; `problem` is "" when it was carried out."""

    command: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything one step of the desk decided, in order.

    notes      every note that somebody was to get, the held ones too
    held       those of `notes` that wait, and why
    postponed  notes held before that go on waiting
    released   keys of held notes that go out as they are
    digests    notes that go out for several held ones
    """

    alerts: tuple[Alert, ...] = ()
    transitions: tuple[Transition, ...] = ()
    notes: tuple[Note, ...] = ()
    findings: tuple[Finding, ...] = ()
    answers: tuple[Answer, ...] = ()
    held: tuple[Held, ...] = ()
    released: tuple[str, ...] = ()
    digests: tuple[Digest, ...] = ()
    postponed: tuple[Held, ...] = ()
    shelves: tuple[Shelf, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


__all__ = [
    "Alert",
    "Answer",
    "Cause",
    "Changes",
    "Command",
    "CommandKind",
    "Digest",
    "Finding",
    "Held",
    "Note",
    "Reached",
    "Shelf",
    "Transition",
]
