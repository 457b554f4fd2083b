"""FrameBytes: what transparent DTUs publish, raw bytes or the same as hexadecimal text."""

from __future__ import annotations

import re

from core.reject import Reason
from ingest.formats.contract import Refusal

MOST_BYTES = 8_192
_HEX = re.compile(rb"\s*(?:0[xX])?[0-9A-Fa-f]{2}(?:[\s,:-]*(?:0[xX])?[0-9A-Fa-f]{2})*\s*")
_GAP = re.compile(rb"0[xX]|[\s,:-]+")


def frame_bytes(payload: bytes) -> bytes:
    """Return the bytes of a frame, also from hexadecimal digits with gaps between them; raises Refusal."""
    if len(payload) > MOST_BYTES:
        raise Refusal(Reason.TOO_LARGE, f"{len(payload)} bytes, frames of serial lines at most {MOST_BYTES}")
    if _HEX.fullmatch(payload):
        return bytes.fromhex(_GAP.sub(b"", payload).decode())
    return payload
