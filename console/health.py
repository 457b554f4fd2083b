"""/healthz: this process answers; /readyz: it can also reach a database of this version."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer, whatever the database does: a restart of this process would not help it."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 when the tables that the pages read are there, else 503 and why."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version FROM registry_version")
            cursor.execute("SELECT 1 FROM alerts_open LIMIT 0")
    except DatabaseError as error:
        why = str(error).strip().splitlines()[0]
        return HttpResponse(f"database: {why}\n", status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")
