"""Sends the dashboards to a Grafana over its HTTP API."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException, TokenAuth

from core.errors import FengsuiError
from dashboards.build import DASHBOARDS, render

TIMEOUT_S = 20.0


class GrafanaError(FengsuiError):
    """Grafana did not take a dashboard."""


def push(url: str, token: str) -> list[str]:
    """Create or overwrite every dashboard; return their addresses.

    token   of a service account that may write dashboards
    Raises GrafanaError with Grafana's own words.
    """
    place = urlsplit(url)
    if not place.hostname:
        raise GrafanaError(f"{url!r} is no address. Write it like https://grafana.example.org")
    grafana = GrafanaApi.from_url(
        url=url,
        credential=TokenAuth(token=token),  # type: ignore[no-untyped-call]
        timeout=TIMEOUT_S,
    )
    found = []
    for uid in DASHBOARDS:
        request = {
            "dashboard": json.loads(render(uid)),
            "overwrite": True,
            "message": "fengsui dashboards push",
        }
        try:
            answer = grafana.dashboard.update_dashboard(request)
        except (GrafanaException, OSError) as error:
            raise GrafanaError(f"{url}: {uid} was not taken: {error}") from error
        found.append(url.rstrip("/") + str(answer["url"]))
    return found
