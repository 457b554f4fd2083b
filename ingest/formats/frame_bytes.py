"""FrameBytes: what transparent DTUs publish, raw bytes or the same as hexadecimal text."""

from __future__ import annotations

import re

_HEX = re.compile(rb"\s*(?:0[xX])?[0-9A-Fa-f]{2}(?:[\s,:-]*(?:0[xX])?[0-9A-Fa-f]{2})*\s*")
_GAP = re.compile(rb"0[xX]|[\s,:-]+")


def frame_bytes(payload: bytes) -> bytes:
    """Return the bytes of a frame; a text of hexadecimal digits is one, with any gaps between them."""
    if _HEX.fullmatch(payload):
        return bytes.fromhex(_GAP.sub(b"", payload).decode())
    return payload
