"""Body: what the bytes of a message become before anybody looks into them; docs/wire.md §9.

JSON as C programs print it: `nan` and `inf` without quotes make no message unreadable, only that one value.
"""

from __future__ import annotations

import re
from typing import Any

from core.reject import Reason
from ingest.formats.contract import Refusal, parse_json

_BARE = re.compile(rb"([:\[,]\s*)-?(?:nan|inf(?:inity)?)(?=\s*[,}\]])", re.IGNORECASE)


def parse_loose(payload: bytes) -> Any:
    """Return JSON in which a number may be a bare nan or inf; raises Refusal."""
    try:
        return parse_json(payload)
    except Refusal as refusal:
        if refusal.reason is not Reason.BAD_JSON or not _BARE.search(payload):
            raise
    return parse_json(_BARE.sub(rb"\1NaN", payload))
