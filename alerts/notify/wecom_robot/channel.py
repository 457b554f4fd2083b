"""企业微信群机器人: one POST per note; judged by errcode, for the HTTP status is 200 even when it fails.

address    "KEY": markdown into the group; "KEY@MOBILE", "@MOBILE": text, which alone can mention a person;
           "" = the key of the configuration
limits     text 2048, markdown 4096 bytes of UTF-8; 20 messages per minute and robot
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from alerts.changes import Note
from alerts.message import cut_bytes
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import ask_json, body, fingerprint, judge

_TEXT_BYTES = 2048
_MARKDOWN_BYTES = 4096
_RATE_S = 60.0
_KINDS = {
    "-1": ErrorKind.RETRY,  # busy
    "45009": ErrorKind.RETRY,  # more than 20 in a minute
    "93000": ErrorKind.CONFIG,  # no robot has this key
    "40058": ErrorKind.PERMANENT,  # a parameter is wrong
}


@dataclass(frozen=True, slots=True)
class WecomRobot:
    """Sends to a group robot."""

    client: httpx.AsyncClient = field(repr=False)
    key: str = field(default="", repr=False)
    url: str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"
    per_minute: int = 18

    def credential(self, note: Note) -> str:
        return fingerprint(self._split(note)[0])

    async def send(self, note: Note) -> Receipt:
        key, mobile = self._split(note)
        if not key:
            raise ChannelError(
                ErrorKind.CONFIG, "no_key", "neither the contact nor the channel has a robot key"
            )
        message = _text(note, mobile) if mobile else _markdown(note)
        answer = await ask_json(self.client, "POST", self.url, params={"key": key}, json=message)
        if answer.get("errcode") != 0:
            raise judge(answer.get("errcode"), answer.get("errmsg"), _KINDS, retry_after_s=_RATE_S)
        return Receipt()

    def _split(self, note: Note) -> tuple[str, str]:
        key, _, mobile = note.address.partition("@")
        return key or self.key, mobile


def _text(note: Note, mobile: str) -> dict[str, Any]:
    content = body(note, _TEXT_BYTES)
    return {"msgtype": "text", "text": {"content": content, "mentioned_mobile_list": [mobile]}}


def _markdown(note: Note) -> dict[str, Any]:
    """The first line stands out; quoted lines keep their breaks."""
    head = f"**{note.title}**\n"
    link = f"\n[查看 / open]({note.link})" if note.link else ""
    quoted = "\n".join(f"> {line}" for line in f"{note.text_zh}\n{note.text_en}".splitlines())
    room = _MARKDOWN_BYTES - len(head.encode()) - len(link.encode())
    return {"msgtype": "markdown", "markdown": {"content": head + cut_bytes(quoted, room) + link}}
