"""Escalate: what falls due because nobody answered, nobody reported, or nobody was reached; pure.

A deadline is no timer that could be lost: it follows from fields of the alert (`expected`, `tier`, `owing`,
`overdue`, `reached`, `alarmed`) and from the policy.  Taking a step moves those fields, in the transaction that
writes its notes; so a step is taken once, however often we are stopped and started.
After a long absence all steps that fell due are taken together: the history has each, people get one note.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from alerts.changes import Alert, Transition
from alerts.handling import Refused
from alerts.lifecycle import Move, moved
from alerts.policy import Ladder, Policy, Rung
from alerts.state import UNANSWERED, Suppression
from core.time import seconds


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a ladder; `rung` is None where those told before are told again."""

    after: int
    rung: Rung | None


@lru_cache(maxsize=64)
def _steps(ladder: Ladder) -> tuple[_Step, ...]:
    found = [_Step(seconds(rung.after_s), rung) for rung in ladder.rungs]
    if ladder.answer_s:
        found.append(_Step(seconds(ladder.answer_s), None))
    return tuple(sorted(found, key=lambda step: step.after))


def due(alert: Alert, policy: Policy) -> int:
    """Return when the next thing falls due, ns; 0 = nothing will."""
    if alert.closed or alert.suppression != Suppression.NONE:
        return 0
    ladder = policy.ladder(alert.level, data_quality=alert.data_quality)
    soonest = _feedback_due(alert, ladder)
    if alert.state in UNANSWERED:
        for at in (_answer_due(alert, ladder), _reach_due(alert, ladder)):
            if at and (at < soonest or not soonest):
                soonest = at
    return soonest


def ring(alert: Alert, policy: Policy, now: int) -> tuple[Move, ...]:
    """Return what has fallen due at `now`, in order; empty when nothing has."""
    if alert.closed or alert.suppression != Suppression.NONE:
        return ()
    ladder = policy.ladder(alert.level, data_quality=alert.data_quality)
    moves: list[Move] = []
    for due_of, take in ((_reach_due, _unreached), (_answer_due, _escalated), (_feedback_due, _overdue)):
        at = due_of(alert, ladder)
        if at and at <= now:
            move = take(alert, ladder, now)
            alert = move.alert
            moves.append(move)
    return tuple(moves)


def handed_on(alert: Alert, policy: Policy, now: int, *, by: str, note: str) -> Move:
    """Take the next rung before its time, because a person cannot deal with it; that is no answer.

    Raises Refused when somebody has answered, or nobody stands above.
    """
    if alert.state not in UNANSWERED:
        raise Refused("该预警已有人响应 / somebody has answered already")
    steps = _steps(policy.ladder(alert.level, data_quality=alert.data_quality))
    above = [n for n, step in enumerate(steps[alert.tier :], alert.tier) if step.rung]
    if not above:
        raise Refused("没有可转交的上一级人员，请电话联系 / nobody is left to hand it on to: call")
    tier = above[0] + 1
    step = f"escalate-{alert.count}-{alert.level:d}-{tier}"
    move = moved(alert, "hand_on", alert.state, t=now, now=now, step=step, by=by, note=note, tier=tier)
    rung = steps[above[0]].rung
    return replace(move, rungs=(rung,) if rung else ())


def _answer_due(alert: Alert, ladder: Ladder) -> int:
    steps = _steps(ladder)
    if alert.state not in UNANSWERED or not steps:
        return 0
    if alert.tier < len(steps):
        return alert.expected + steps[alert.tier].after
    if not ladder.repeat_s:
        return 0
    return alert.expected + steps[-1].after + seconds(ladder.repeat_s) * (alert.tier - len(steps) + 1)


def _feedback_due(alert: Alert, ladder: Ladder) -> int:
    return alert.owing + seconds(ladder.feedback_s) if alert.owing and ladder.feedback_s else 0


def _reach_due(alert: Alert, ladder: Ladder) -> int:
    """The watchdog: answered, reached and alarmed are the three ways out."""
    if not ladder.reach_s or alert.state not in UNANSWERED:
        return 0
    if alert.expected <= max(alert.reached, alert.alarmed):
        return 0
    return alert.expected + seconds(ladder.reach_s)


def _escalated(alert: Alert, ladder: Ladder, now: int) -> Move:
    """Take every step that has fallen due; repeats that were missed count as one."""
    steps = _steps(ladder)
    rungs: list[Rung] = []
    lines: list[Transition] = []
    move = Move(alert)
    while alert.tier < len(steps) and alert.expected + steps[alert.tier].after <= now:
        rung = steps[alert.tier].rung
        rungs += [rung] if rung else []
        move = _climb(alert, alert.tier + 1, now)
        alert, lines = move.alert, [*lines, *move.transitions]
    if (at := _answer_due(alert, ladder)) and at <= now:
        n_repeats = (now - alert.expected - steps[-1].after) // seconds(ladder.repeat_s)
        move = _climb(alert, len(steps) + n_repeats, now)
        lines = [*lines, *move.transitions]
    return replace(move, transitions=tuple(lines), rungs=tuple(rungs))


def _climb(alert: Alert, tier: int, now: int) -> Move:
    step = f"escalate-{alert.count}-{alert.level:d}-{tier}"
    return moved(alert, "escalate", alert.state, t=now, now=now, step=step, note=f"tier {tier}", tier=tier)


def _overdue(alert: Alert, ladder: Ladder, now: int) -> Move:
    span, n = seconds(ladder.feedback_s), alert.overdue + 1
    owing = alert.owing + (now - alert.owing) // span * span
    move = moved(
        alert, "overdue", alert.state, t=now, now=now, step=f"overdue-{alert.seq + 1}", note=f"{n}", overdue=n,
        owing=owing,
    )  # fmt: skip
    return replace(move, rungs=ladder.rungs[:n])


def _unreached(alert: Alert, _ladder: Ladder, now: int) -> Move:
    step = f"unreached-{alert.seq + 1}"
    return moved(alert, "unreached", alert.state, t=now, now=now, step=step, alarmed=alert.expected)
