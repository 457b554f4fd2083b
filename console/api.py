"""The JSON API: what the pages show, for programs.  Session or HTTP Basic; /api/docs describes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, NinjaAPI, Schema, Status
from ninja.errors import HttpError
from ninja.security import HttpBasicAuth, SessionAuth

from alerts.changes import CommandKind
from console import asking, people, queries, words
from console.render import Json
from console.scope import scope_of
from core.time import from_datetime


class Basic(HttpBasicAuth):
    """An account's name and password with every request."""

    def authenticate(self, request: HttpRequest, username: str, password: str) -> Any:
        user = people.known(request, username, password)
        if user is not None:
            request.user = user
        return user


class AlertOut(Schema):
    """One alert.  level: 1 blue, 2 yellow, 3 orange, 4 red; level_now 0: the condition is absent."""

    id: str
    rule: str
    title: str
    advice: str
    level: int
    level_now: int
    state: Literal["unack", "acked", "rtn_unack", "normal"]
    suppression: str
    data_quality: bool
    subject: str
    enterprise: str
    area: str
    place: str
    series: int
    value: float | None
    limit: float | None
    unit: str
    times: int
    since: datetime | None
    raised: datetime
    opened: datetime
    recovered: datetime | None
    acked: datetime | None
    acked_by: str
    closed: datetime | None
    closed_by: str
    closing_note: str
    stage: Literal["new", "handling", "review", "closed"]
    handler: str
    measure: str
    done: datetime | None
    proof: str
    reported_by: str
    false_alarm: bool
    rejections: int
    reviewer: str


class TransitionOut(Schema):
    """One line of an alert's history."""

    seq: int
    cause: str
    old: str
    new: str
    level: int
    time: datetime | None
    noticed: datetime | None
    by_whom: str
    note: str
    value: float | None


class ToldOut(Schema):
    """One message to one recipient; without the address."""

    recipient: str
    role: str
    channel: str
    step: str
    created: datetime | None
    state: str
    attempt: int
    ended: datetime | None
    reason: str


class AlertDetail(AlertOut):
    history: list[TransitionOut]
    told: list[ToldOut]


class Sample(Schema):
    """One reading; of a summary `value` is the mean, and min, max, n are given."""

    time: datetime
    value: float | None
    quality: int | None = None
    min: float | None = None
    max: float | None = None
    n: int | None = None


class ReadingsOut(Schema):
    series: int
    signal: str
    name: str
    unit: str
    resolution: str
    samples: list[Sample]
    more: bool = Field(description="There are more: ask again from the time of the last one.")


class Wish(Schema):
    note: str = Field("", max_length=500)


class Handling(Wish):
    handler: str = Field("", max_length=60, description="Empty: who asks")


class Feedback(Wish):
    measure: str = Field(min_length=1, max_length=500)
    done: datetime | None = Field(None, description="When it was complete; without it, now")
    proof: str = Field(min_length=1, max_length=500, description="A picture, a reading, a document")


class FalseAlarm(Schema):
    note: str = Field(min_length=1, max_length=500, description="Why there was no danger")
    proof: str = Field("", max_length=500)


class Review(Wish):
    accept: bool


class Handed(Schema):
    command: int


# csrf is checked for sessions; HTTP Basic has no cookie that another site could use.
api = NinjaAPI(
    title="Fengsui", version="1", auth=[SessionAuth(csrf=True), Basic()], docs_url="docs", renderer=Json()
)


@api.get("alerts", response=list[AlertOut], summary="Alerts, the worst first; closed ones, the last first")
def list_alerts(
    request: HttpRequest,
    state: Literal["open", "closed"] = "open",
    level: Annotated[int | None, Field(ge=1, le=4)] = None,
    limit: Annotated[int, Field(ge=1, le=5000)] = 500,
) -> list[dict[str, Any]]:
    ask = queries.open_alerts if state == "open" else queries.closed_alerts
    return [_plain(row) for row in ask(scope_of(request.user), level=level, most=limit)]


@api.get("alerts/{alert_id}", response=AlertDetail, summary="One alert with its history and who was told")
def get_alert(request: HttpRequest, alert_id: str) -> dict[str, Any]:
    row = _known(request, alert_id)
    return {**_plain(row), "history": queries.history(alert_id), "told": queries.told(alert_id)}


@api.post("alerts/{alert_id}/ack", response={202: Handed}, summary="Acknowledge: I have seen it and act")
def acknowledge(request: HttpRequest, alert_id: str, wish: Wish) -> Status[dict[str, int]]:
    return _hand_in(request, CommandKind.ACK, alert_id, wish.note)


@api.post("alerts/{alert_id}/close", response={202: Handed}, summary="Close, with what was found and done")
def close(request: HttpRequest, alert_id: str, wish: Wish) -> Status[dict[str, int]]:
    if not wish.note.strip():
        raise HttpError(422, "note: write what was found and done")
    return _hand_in(request, CommandKind.CLOSE, alert_id, wish.note)


@api.post("alerts/{alert_id}/handle", response={202: Handed}, summary="Take it on, or give it to a handler")
def handle(request: HttpRequest, alert_id: str, wish: Handling) -> Status[dict[str, int]]:
    return _hand_in(request, CommandKind.HANDLE, alert_id, wish.note, handler=wish.handler)


@api.post("alerts/{alert_id}/feedback", response={202: Handed}, summary="Report what was done, for review")
def feedback(request: HttpRequest, alert_id: str, wish: Feedback) -> Status[dict[str, int]]:
    done = _aware(wish.done) or timezone.now()
    said = {"measure": wish.measure, "done": done.isoformat(), "proof": wish.proof}
    return _hand_in(request, CommandKind.FEEDBACK, alert_id, wish.note, **said)


@api.post("alerts/{alert_id}/false-alarm", response={202: Handed}, summary="There was no danger; for review")
def false_alarm(request: HttpRequest, alert_id: str, wish: FalseAlarm) -> Status[dict[str, int]]:
    return _hand_in(request, CommandKind.FALSE_ALARM, alert_id, wish.note, proof=wish.proof)


@api.post("alerts/{alert_id}/review", response={202: Handed}, summary="Accept and close, or send back")
def review(request: HttpRequest, alert_id: str, wish: Review) -> Status[dict[str, int]]:
    if not wish.accept and not wish.note.strip():
        raise HttpError(422, "note: a rejection needs its reason")
    kind = CommandKind.ACCEPT if wish.accept else CommandKind.REJECT
    return _hand_in(request, kind, alert_id, wish.note)


@api.get("series/{series_id}/readings", response=ReadingsOut, summary="Samples or summaries of one series")
def get_readings(
    request: HttpRequest,
    series_id: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    resolution: Literal["raw", "1m", "1h"] = "raw",
    limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000,
) -> dict[str, Any]:
    series = queries.series(scope_of(request.user), series_id)
    if series is None:
        raise HttpError(404, f"no series {series_id}")
    end = _aware(end) or timezone.now()
    start = _aware(start) or end - timedelta(hours=1)
    samples = _samples(series_id, start, end, resolution=resolution, most=limit + 1)
    return {
        "series": series_id,
        "signal": series["signal"],
        "name": f"{series['device_zh']} {series['name_zh']}",
        "unit": series["unit"],
        "resolution": resolution,
        "samples": samples[:limit],
        "more": len(samples) > limit,
    }


def _samples(
    series_id: int, start: datetime, end: datetime, *, resolution: str, most: int
) -> list[queries.Row]:
    if resolution == "raw":
        return queries.readings(series_id, start, end, most=most)
    rows = queries.rollup(series_id, start, end, width=resolution, most=most)
    return [{**row, "value": row["avg"]} for row in rows]


def _aware(moment: datetime | None) -> datetime | None:
    """A time without an offset is local time."""
    return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment


def _known(request: HttpRequest, alert_id: str) -> queries.AlertRow:
    row = queries.alert(scope_of(request.user), alert_id)
    if row is None:
        raise HttpError(404, f"no alert {alert_id}")
    return row


def _hand_in(
    request: HttpRequest, kind: CommandKind, alert_id: str, note: str, **said: str
) -> Status[dict[str, int]]:
    """Write the command; what became of it is in the alert's history."""
    _known(request, alert_id)
    if not scope_of(request.user).may_act:
        raise HttpError(403, "this account may look only")
    now = from_datetime(timezone.now())
    by, detail = people.name_of(request.user), asking.detail_of(**said)
    number = queries.ask(kind, alert_id, by=by, note=note.strip(), now=now, detail=detail)
    return Status(202, {"command": number})


def _plain(row: queries.AlertRow) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in AlertOut.model_fields if hasattr(row, name)}
    return {
        **fields,
        "title": words.title(row),
        "advice": words.advice(row),
        "subject": words.subject(row),
        "enterprise": words.enterprise(row),
    }
