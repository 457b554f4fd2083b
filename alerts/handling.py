"""Handling: what people do about an alert, 处置 → 反馈 → 审核 → 消警; pure, and stages move through NEXT_STAGE only.

Each function returns the `Move`, or raises Refused with the reason, Chinese and English, that the person reads.
Rules, after the loop that the policy papers ask for: who handles, what was done, when that was complete and
where the evidence is are mandatory; who reviews did neither handle nor report; a rejection has a reason and
leads back to handling; a false alarm is reviewed like any other feedback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.changes import Alert
from alerts.lifecycle import Move, acked, closed, moved
from alerts.policy import Policy
from alerts.state import NEXT_STAGE, PRESENT, Deed, Stage
from core.time import MINUTE, from_datetime

# A clock on a phone may be ahead of ours.
_AHEAD = 5 * MINUTE


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A person asked for what cannot be done; the text is for that person."""


def detail_of(text: str) -> Mapping[str, Any]:
    """Return a command's detail.  Raises Refused when it is no JSON object."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("命令参数无法解析 / detail is no JSON object")
    return found


def time_of(detail: Mapping[str, Any], name: str) -> int:
    """Return a time as ns: whole ns since 1970, or ISO 8601 with an offset.  Raises Refused."""
    given = detail.get(name)
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused(
            f"时间 {name} 缺失或格式不对 / {name} is missing or no time: write 2026-11-21T09:00:00+08:00"
        )
    return from_datetime(moment)


def text_of(detail: Mapping[str, Any], name: str, zh: str) -> str:
    """Return a text that must be there.  Raises Refused."""
    found = str(detail.get(name) or "").strip()
    if not found:
        raise Refused(f"必须填写{zh} / {name} is missing")
    return found


def handle(alert: Alert, now: int, *, by: str, note: str, detail: Mapping[str, Any]) -> Move | None:
    """Somebody takes it on (detail: `handler`, else who asks); that is an answer too."""
    handler = str(detail.get("handler") or by).strip()
    if alert.stage == Stage.HANDLING and alert.handler == handler:
        # The condition may have come again since: saying so once more answers that.
        return acked(alert, now, by=by, note=note)
    stage = _next(alert, Deed.HANDLE)
    said = _said(handler=handler)
    fields: dict[str, Any] = {"handler": handler, "handling": now, "owing": alert.owing or now}
    return _answered(alert, Deed.HANDLE, now, by=by, note=note, detail=said, stage=stage, **fields)


def feedback(alert: Alert, now: int, *, by: str, note: str, detail: Mapping[str, Any]) -> Move | None:
    """Report `measure`, `done` (when it was complete) and `proof` (a picture, a reading, a document)."""
    measure = text_of(detail, "measure", "处置措施")
    proof = text_of(detail, "proof", "佐证材料（照片、读数或文件）")
    done = time_of(detail, "done")
    if done > now + _AHEAD:
        raise Refused("完成时间在将来 / the completion time lies in the future")
    if done < alert.raised:
        raise Refused("完成时间早于预警时间 / the completion time lies before the alert")
    if (alert.stage, alert.measure, alert.done, alert.proof) == (Stage.REVIEW, measure, done, proof):
        return None
    handler = alert.handler or by
    said = _said(measure=measure, done=done, proof=proof, handler=handler)
    fields = {"measure": measure, "done": done, "proof": proof, "handler": handler, "false_alarm": False}
    return _report(alert, Deed.FEEDBACK, now, by=by, note=note, detail=said, **fields)


def false_alarm(alert: Alert, now: int, *, by: str, note: str, detail: Mapping[str, Any]) -> Move | None:
    """Report that there was no danger, and why; a reviewer decides."""
    _why(note)
    if alert.stage == Stage.REVIEW and alert.false_alarm and alert.measure == note:
        return None
    proof = str(detail.get("proof") or "").strip()
    handler = alert.handler or by
    fields = {"measure": note, "done": now, "proof": proof, "handler": handler, "false_alarm": True}
    said = _said(proof=proof, handler=handler)
    return _report(alert, Deed.FALSE_ALARM, now, by=by, note=note, detail=said, **fields)


def accept(alert: Alert, now: int, *, by: str, note: str, policy: Policy) -> Move:
    """Close after a review; not while the condition is present, unless it is a false alarm."""
    _next(alert, Deed.ACCEPT)
    _another(alert, by)
    if alert.state in PRESENT and not alert.false_alarm and not policy.review_present:
        raise Refused("险情仍在，不能消警 / the condition is still present: it cannot be closed")
    said = _said(measure=alert.measure, done=alert.done, proof=alert.proof, handler=alert.handler)
    note = note or alert.measure
    return closed(
        alert, now, by=by, note=note, cause=Deed.ACCEPT, detail=said, reviewer=by, reviewed=now
    )  # fmt: skip


def reject(alert: Alert, now: int, *, by: str, note: str) -> Move:
    """Send it back to handling, with the reason; feedback is owed anew."""
    stage = _next(alert, Deed.REJECT)
    _another(alert, by)
    _why(note)
    n = alert.rejections + 1
    fields: dict[str, Any] = {
        "reviewer": by,
        "reviewed": now,
        "rejections": n,
        "owing": now,
        "false_alarm": False,
    }
    return moved(
        alert, Deed.REJECT, alert.state, t=now, now=now, step=f"reject-{n}", by=by, note=note, stage=stage,
        **fields,
    )  # fmt: skip


def merge(alert: Alert, into: Alert, now: int, *, by: str, note: str) -> tuple[Move, Move]:
    """Close it, because another alert of the same enterprise, as high at least, goes on for it."""
    _why(note)
    _next(alert, Deed.MERGE)
    if into.id == alert.id:
        raise Refused("不能并入自身 / an alert cannot be merged into itself")
    if into.enterprise != alert.enterprise:
        raise Refused("只能并入同一企业的预警 / the other alert is of another enterprise")
    if into.level < alert.level or (into.data_quality and not alert.data_quality):
        raise Refused("不能并入级别更低的预警 / the other alert is of a lower level")
    gone = closed(
        alert, now, by=by, note=note, cause=Deed.MERGE, detail=_said(into=into.id), merged_into=into.id
    )  # fmt: skip
    line = moved(
        into, "absorb", into.state, t=now, now=now, by=by, note=note, detail=_said(merged=alert.id)
    )  # fmt: skip
    return gone, line


def short_close(alert: Alert, now: int, *, by: str, note: str, policy: Policy) -> Move:
    """Close without feedback and review: data-quality alerts, and plant alerts of low levels."""
    if not note:
        raise Refused("消警必须填写处置说明 / closing needs a note: say what was found and done")
    _next(alert, Deed.CLOSE)
    if not alert.data_quality and alert.level > policy.short_close:
        raise Refused(
            f"{alert.level.zh}色预警须经处置反馈和审核后消警 / a {alert.level.en} alert is closed by feedback"
            " and an accepted review: `fengsui alerts feedback`, then `fengsui alerts review`"
        )
    return closed(alert, now, by=by, note=note)


def exercise(alert: Alert, now: int, *, by: str, note: str) -> Move | None:
    """Mark it as an exercise; everything else stays as it is."""
    _why(note)
    if alert.exercise:
        return None
    return moved(alert, "exercise", alert.state, t=now, now=now, by=by, note=note, exercise=True)


def _report(alert: Alert, deed: Deed, now: int, *, by: str, note: str, detail: str, **fields: Any) -> Move:
    stage = _next(alert, deed)
    fields |= {"reported": now, "reported_by": by, "owing": 0}
    return _answered(alert, deed, now, by=by, note=note, detail=detail, stage=stage, word="review", **fields)


def _answered(
    alert: Alert, deed: Deed, now: int, *, by: str, note: str, detail: str, stage: Stage, word: str = "",
    **fields: Any,
) -> Move:  # fmt: skip
    """Who does something about it has answered; the history says so first."""
    answer = acked(alert, now, by=by)
    before = answer.alert if answer else alert
    step = f"{word}-{before.seq + 1}" if word else ""
    move = moved(
        before, deed, before.state, t=now, now=now, step=step, by=by, note=note, detail=detail, stage=stage,
        **fields,
    )  # fmt: skip
    return Move(move.alert, answer.transitions + move.transitions, step) if answer else move


def _next(alert: Alert, deed: Deed) -> Stage:
    stage = NEXT_STAGE[alert.stage, deed]
    if stage is None:
        raise Refused(f"当前阶段不能执行该操作 / {deed} is not possible while the stage is {alert.stage}")
    return stage


def _another(alert: Alert, by: str) -> None:
    if by.casefold() in (alert.handler.casefold(), alert.reported_by.casefold()):
        raise Refused("审核人不能是处置人或反馈人 / who reviews must be another than who handled or reported")


def _why(note: str) -> None:
    if not note:
        raise Refused("必须填写理由 / a reason is missing")


def _said(**words: Any) -> str:
    return json.dumps(words, ensure_ascii=False, sort_keys=True)
