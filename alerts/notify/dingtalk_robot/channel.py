"""钉钉群机器人: one signed POST per note; judged by errcode.

address    "TOKEN" or "TOKEN@MOBILE" (mentions a person), "@MOBILE", "" = the token of the configuration
limits     20 messages a minute, beyond them the robot is shut out for ten minutes; 20,000 bytes
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from alerts.changes import Note
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import ask_json, body, fingerprint, judge
from core.time import MS, clock_ns

_BYTES = 18_000
_SHUT_OUT_S = 600.0
_KINDS = {
    "-1": ErrorKind.RETRY,  # busy
    "130101": ErrorKind.RETRY,  # too fast
    "310000": ErrorKind.CONFIG,  # signature, keyword or address does not match
    "300001": ErrorKind.CONFIG,  # no such token
    "400101": ErrorKind.CONFIG,  # likewise
}


@dataclass(frozen=True, slots=True)
class DingtalkRobot:
    """Sends to a group robot; `secret` is its signing secret (SEC…)."""

    client: httpx.AsyncClient = field(repr=False)
    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    url: str = "https://oapi.dingtalk.com/robot/send"
    per_minute: int = 18
    clock: Callable[[], int] = field(default=clock_ns, repr=False)

    def credential(self, note: Note) -> str:
        return fingerprint(self._split(note)[0])

    async def send(self, note: Note) -> Receipt:
        token, mobile = self._split(note)
        if not token:
            raise ChannelError(ErrorKind.CONFIG, "no_token", "neither contact nor channel has a robot token")
        params = {"access_token": token}
        if self.secret:
            timestamp = str(self.clock() // MS)
            params |= {"timestamp": timestamp, "sign": sign(self.secret, timestamp)}
        answer = await ask_json(self.client, "POST", self.url, params=params, json=_message(note, mobile))
        if answer.get("errcode") != 0:
            raise judge(answer.get("errcode"), answer.get("errmsg"), _KINDS, retry_after_s=_SHUT_OUT_S)
        return Receipt()

    def _split(self, note: Note) -> tuple[str, str]:
        token, _, mobile = note.address.partition("@")
        return token or self.token, mobile


def sign(secret: str, timestamp: str) -> str:
    """Return the signature of a time in ms; the HTTP client encodes it for the address."""
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _message(note: Note, mobile: str) -> dict[str, Any]:
    """Text, not markdown: only text shows line breaks and mentions alike on all clients."""
    called = f"\n@{mobile}" if mobile else ""
    text: dict[str, Any] = {"msgtype": "text", "text": {"content": body(note, _BYTES) + called}}
    return text | {"at": {"atMobiles": [mobile]}} if mobile else text
