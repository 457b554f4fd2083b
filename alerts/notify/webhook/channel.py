"""A signed webhook: JSON to an address of your own; docs/alerts.md has a receiver that verifies it.

address    URL, "" = the one of the configuration
headers    Idempotency-Key: the note's key, the same in every attempt
           Fengsui-Timestamp: seconds since 1970
           Fengsui-Signature: v1=hex(HMAC-SHA256(secret, "TIMESTAMP.BODY"))
answers    2xx accepted; 408, 429 and 5xx again, not before Retry-After; every other is given up
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import msgspec

from alerts.changes import Note
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import fingerprint, post
from core.time import SECOND, clock_ns, to_datetime


@dataclass(frozen=True, slots=True)
class Webhook:
    """Sends JSON to a URL."""

    client: httpx.AsyncClient = field(repr=False)
    url: str = ""
    secret: str = field(default="", repr=False)
    per_minute: int = 600
    clock: Callable[[], int] = field(default=clock_ns, repr=False)

    def credential(self, note: Note) -> str:
        return fingerprint(note.address or self.url)

    async def send(self, note: Note) -> Receipt:
        url = note.address or self.url
        if not url:
            raise ChannelError(ErrorKind.CONFIG, "no_url", "neither the contact nor the channel has a URL")
        content = msgspec.json.encode(document(note))
        headers = {"Content-Type": "application/json", "Idempotency-Key": note.key}
        if self.secret:
            timestamp = str(self.clock() // SECOND)
            headers["Fengsui-Timestamp"] = timestamp
            headers["Fengsui-Signature"] = f"v1={sign(self.secret, timestamp, content)}"
        response = await post(self.client, url, content=content, headers=headers)
        return Receipt(id=response.headers.get("x-request-id", ""))


def sign(secret: str, timestamp: str, content: bytes) -> str:
    """Return the signature of one body at one time, as hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()


def document(note: Note) -> dict[str, object]:
    """Return the JSON that receivers get; fields are only ever added."""
    return {
        "key": note.key,
        "alert": note.alert,
        "step": note.step,
        "level": int(note.level),
        "level_name": note.level.en,
        "recipient": note.recipient,
        "title": note.title,
        "text_zh": note.text_zh,
        "text_en": note.text_en,
        "link": note.link,
        "created": to_datetime(note.created).isoformat(),
    }
