"""Orders: what one command of a person does to the alerts it names; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alerts import escalate, handling, lifecycle
from alerts.changes import Alert, Command, CommandKind
from alerts.handling import Refused, detail_of, text_of
from alerts.lifecycle import Move
from alerts.policy import Policy

# Commands about shelves have no move of their own: alerts/desk.py carries them out.
SHELVING = frozenset({CommandKind.SHELVE, CommandKind.UNSHELVE, CommandKind.MAINTAIN})


@dataclass(frozen=True, slots=True)
class Office:
    """Where commands find what they name.  find : id -> open alert; raises Refused when there is none"""

    find: Callable[[str], Alert]
    policy: Policy
    now: int


def who(command: Command) -> str:
    """Return who asks.  Raises Refused without a name."""
    by = command.by.strip()
    if not by:
        raise Refused("没有说明操作人 / who asks is missing: give a name")
    return by


def carry_out(command: Command, office: Office) -> tuple[Move, ...]:
    """Return what follows, nothing when it was done before.  Raises Refused."""
    alert, by = office.find(command.alert), who(command)
    note, detail = command.note.strip(), detail_of(command.detail)
    if command.kind == CommandKind.MERGE:
        into = office.find(text_of(detail, "into", "并入的预警编号").upper())
        return handling.merge(alert, into, office.now, by=by, note=note)
    move = _one(command.kind, alert, office, by=by, note=note, detail=detail)
    return (move,) if move else ()


def _one(
    kind: CommandKind, alert: Alert, office: Office, *, by: str, note: str, detail: Mapping[str, Any]
) -> Move | None:
    now, policy = office.now, office.policy
    match kind:
        case CommandKind.ACK:
            return lifecycle.acked(alert, now, by=by, note=note)
        case CommandKind.HAND_ON:
            return escalate.handed_on(alert, policy, now, by=by, note=note)
        case CommandKind.HANDLE:
            return handling.handle(alert, now, by=by, note=note, detail=detail)
        case CommandKind.FEEDBACK:
            return handling.feedback(alert, now, by=by, note=note, detail=detail)
        case CommandKind.FALSE_ALARM:
            return handling.false_alarm(alert, now, by=by, note=note, detail=detail)
        case CommandKind.ACCEPT:
            return handling.accept(alert, now, by=by, note=note, policy=policy)
        case CommandKind.REJECT:
            return handling.reject(alert, now, by=by, note=note)
        case CommandKind.EXERCISE:
            return handling.exercise(alert, now, by=by, note=note)
        case CommandKind.CLOSE:
            return handling.short_close(alert, now, by=by, note=note, policy=policy)
    raise Refused(f"无法执行 {kind} / {kind} cannot be carried out on an alert")
