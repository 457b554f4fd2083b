"""The pages an officer sees: what is open, one alert, what was closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from console import asking, chart, queries
from console.people import name_of
from console.scope import Scope, scope_of
from core.time import from_datetime


@require_GET
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What is open, the worst first; and whether anything is missing from this picture."""
    level = _level(request)
    who = scope_of(request.user)
    alerts = queries.open_alerts(who, level=level)
    counts = queries.counts(who)
    return render(
        request,
        "console/home.html",
        {
            "plant": [row for row in alerts if not row.data_quality],
            "quality": [row for row in alerts if row.data_quality],
            "counts": counts.values(),
            "n_open": sum(row["n"] for row in counts.values()),
            "n_unanswered": sum(row["unanswered"] for row in counts.values()),
            "level": level,
            **flow(timezone.now(), who),
        },
    )


def flow(now: datetime, who: Scope) -> dict[str, Any]:
    """Return what is known about data coming in: newest arrival, gateways that are silent, and if all are."""
    gateways = queries.gateways(who)
    patience = timedelta(seconds=settings.SILENT_AFTER_S)
    arrivals = [row["arrived"] for row in gateways if row["arrived"]]
    silent = [row for row in gateways if not row["arrived"] or now - row["arrived"] > patience]
    return {
        "now": now,
        "newest": max(arrivals, default=None),
        "n_gateways": len(gateways),
        "n_reporting": len(gateways) - len(silent),
        "silent": silent,
        "all_silent": bool(gateways) and len(silent) == len(gateways),
    }


@require_GET
@never_cache
@login_required
def closed(request: HttpRequest) -> HttpResponse:
    """What was closed last."""
    level = _level(request)
    alerts = queries.closed_alerts(scope_of(request.user), level=level)
    return render(request, "console/closed.html", {"alerts": alerts, "level": level})


@require_GET
@never_cache
@login_required
def alert(request: HttpRequest, alert_id: str) -> HttpResponse:
    """One alert: what, where, since when, why, who was told, what happened, and what to do about it."""
    who = scope_of(request.user)
    row = queries.alert(who, alert_id)
    if row is None:
        raise Http404(_("There is no alert of this number."))
    asked = queries.asked(alert_id)
    offered = asking.offered(row, name_of(request.user), short_close=settings.SHORT_CLOSE)
    return render(
        request,
        "console/alert.html",
        {
            "alert": row,
            "history": queries.history(alert_id),
            "told": queries.told(alert_id),
            "waiting": [command for command in asked if not command["answered"]],
            "refused": [command for command in asked if command["problem"]][-1:],
            "chart": chart_of(row, timezone.now()),
            "evidence": evidence_of(alert_id),
            "offered": sorted(offered) if who.may_act else [],
            "now": timezone.now(),
        },
    )


@require_POST
@login_required
def ask(request: HttpRequest, alert_id: str) -> HttpResponse:
    """Hand a person's wish to the desk; only the desk moves a state, so the page says "handed in"."""
    who = scope_of(request.user)
    row = queries.alert(who, alert_id)
    if row is None:
        raise Http404(_("There is no alert of this number."))
    if not who.may_act:
        raise PermissionDenied
    try:
        wish = asking.wish_of(request.POST.dict())
    except asking.Missing as missing:
        messages.error(request, str(missing))
    else:
        now = from_datetime(timezone.now())
        queries.ask(
            wish.kind, alert_id, by=name_of(request.user), note=wish.note, now=now, detail=wish.detail
        )
        messages.success(request, _("Handed in; the page shows it as soon as it is carried out."))
    return redirect("alert", alert_id=alert_id)


def _level(request: HttpRequest) -> int | None:
    text = request.GET.get("level", "")
    return int(text) if text in ("1", "2", "3", "4") else None


def evidence_of(alert_id: str) -> dict[str, Any] | None:
    """Return what the newest raising rests on, with a chart of each series; None until it is gathered."""
    documents = queries.evidence(alert_id)
    if not documents:
        return None
    newest = documents[-1]
    # What the rule's methods made of the readings, and then the readings.
    shown = (*newest.get("seen", ()), *newest["series"])
    return {**newest, "charts": [(one, _evidence_chart(one)) for one in shown]}


def _evidence_chart(one: dict[str, Any]) -> chart.Chart | None:
    zone = timezone.get_current_timezone()
    points = [
        (datetime.fromtimestamp(t / 1000, zone), value)
        for t, value in zip(one["t_ms"], one["value"], strict=True)
        if value is not None
    ]
    return chart.draw(points, None)


def chart_of(row: queries.AlertRow, now: datetime) -> chart.Chart | None:
    """Return the hour before the alert and up to the hour after it, None when it is about no series."""
    if not row.series:
        return None
    hour = timedelta(hours=1)
    start = (row.since or row.raised) - hour
    end = min(now, (row.closed or row.recovered or row.opened) + hour)
    rows = queries.readings(row.series, start, end, most=20_000)
    points = [(sample["time"], sample["value"]) for sample in rows if sample["value"] is not None]
    limit = row.limit if not row.data_quality else None
    return chart.draw(points, limit)
