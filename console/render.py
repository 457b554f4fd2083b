"""JSON as the API writes it: UTF-8, times to the microsecond, NaN as null."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest
from ninja.renderers import BaseRenderer


class Json(BaseRenderer):
    """Ninja's own cuts times to milliseconds; a sample is named by its series and microsecond."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:  # noqa: ARG002
        return orjson.dumps(data, option=orjson.OPT_UTC_Z)
