"""飞书群机器人: one signed POST per note; judged by code.

address    key at the end of the robot's address, "" = the key of the configuration
limits     100 messages a minute, 5 a second; 20 KB
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
from core.time import SECOND, clock_ns

_BYTES = 18_000
_RATE_S = 10.0
_KINDS = {
    "9499": ErrorKind.RETRY,  # too many requests
    "11232": ErrorKind.RETRY,  # likewise
    "19001": ErrorKind.CONFIG,  # no such robot
    "19021": ErrorKind.CONFIG,  # the signature is wrong, or our clock is
    "19022": ErrorKind.CONFIG,  # our address is not allowed
    "19024": ErrorKind.CONFIG,  # the robot's keyword is missing
}


@dataclass(frozen=True, slots=True)
class FeishuRobot:
    """Sends to a group robot; `secret` is its signing secret."""

    client: httpx.AsyncClient = field(repr=False)
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    url: str = "https://open.feishu.cn/open-apis/bot/v2/hook"
    per_minute: int = 90
    clock: Callable[[], int] = field(default=clock_ns, repr=False)

    def credential(self, note: Note) -> str:
        return fingerprint(note.address or self.key)

    async def send(self, note: Note) -> Receipt:
        key = note.address or self.key
        if not key:
            raise ChannelError(ErrorKind.CONFIG, "no_key", "neither contact nor channel has a robot key")
        message: dict[str, Any] = {"msg_type": "text", "content": {"text": body(note, _BYTES)}}
        if self.secret:
            timestamp = str(self.clock() // SECOND)
            message |= {"timestamp": timestamp, "sign": sign(self.secret, timestamp)}
        answer = await ask_json(self.client, "POST", f"{self.url}/{key}", explained_by="code", json=message)
        code = answer.get("code", answer.get("StatusCode"))
        if code != 0:
            raise judge(code, answer.get("msg"), _KINDS, retry_after_s=_RATE_S)
        return Receipt()


def sign(secret: str, timestamp: str) -> str:
    """Return the signature of a time in s: here time and secret are the key, and the message is empty."""
    mac = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()
