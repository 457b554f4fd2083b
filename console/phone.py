"""The page behind a notification's link: look, acknowledge or hand on, without an account (alerts/link.py).

Looking changes nothing, for robots look at links too.  The two buttons carry the page's own ticket, and write a
command in the name of the link's recipient; pressed twice, or by two phones, they write one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts.changes import CommandKind
from alerts.link import Pass
from console import pages, phone_queries, queries
from console.scope import EVERYTHING
from core.time import from_datetime

# What the two buttons ask for; the link says who asks.
_KINDS = {"ack": CommandKind.ACK, "hand_on": CommandKind.HAND_ON}


@csrf_exempt  # no cookie that another site could use: the ticket is in the page, and the pass in its address
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, alert_id: str, recipient: str, until: str, mac: str) -> HttpResponse:
    """One alert for one recipient; a link that is wrong or too old says so and shows nothing."""
    one = Pass(alert_id, recipient, int(until, 16))
    if not one.genuine(settings.SECRET_KEY, mac):
        return _refuse(request, "wrong", 404)
    if timezone.now().timestamp() > one.until_s:
        return _refuse(request, "expired", 410)
    row = queries.alert(EVERYTHING, alert_id)
    if row is None:
        return _refuse(request, "gone", 404)
    if request.method == "POST":
        return _ask(request, one)
    return _page(request, row, one)


def _ask(request: HttpRequest, one: Pass) -> HttpResponse:
    """Write the command, once for all who press; then show the page again."""
    kind = _KINDS.get(request.POST.get("do", ""))
    if kind is None or not one.admits(settings.SECRET_KEY, request.POST.get("ticket", "")):
        return _refuse(request, "form", 403)
    phone_queries.ask_once(one, kind, now=from_datetime(timezone.now()))
    return HttpResponseRedirect(request.path)


def _page(request: HttpRequest, row: queries.AlertRow, one: Pass) -> HttpResponse:
    commands = [command for command in queries.asked(row.id) if command["by_whom"] == one.recipient]
    unanswered = row.state in ("unack", "rtn_unack") and not row.closed
    context = {
        "alert": row,
        "name": phone_queries.name_of(one.recipient),
        "ticket": one.ticket(settings.SECRET_KEY),
        "chart": pages.chart_of(row, timezone.now()),
        "answered": not unanswered and not row.closed,
        "asked": unanswered and phone_queries.asked(one, CommandKind.ACK),
        "handed_on": phone_queries.asked(one, CommandKind.HAND_ON),
        "waiting": [command for command in commands if not command["answered"]],
        "refused": [command for command in commands if command["problem"]][-1:],
        "until": datetime.fromtimestamp(one.until_s, timezone.get_current_timezone()),
    }
    return _render(request, context, 200)


def _refuse(request: HttpRequest, why: str, status: int) -> HttpResponse:
    return _render(request, {"why": why}, status)


def _render(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    """Chinese unless the phone asks for English; nothing of it is kept, searched or passed on."""
    english = translation.get_language_from_request(request).startswith("en")
    with translation.override("en" if english else "zh-hans"):
        page = render(request, "console/phone.html", context, status=status)
    page["Referrer-Policy"] = "no-referrer"
    page["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    page["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    )
    return page
