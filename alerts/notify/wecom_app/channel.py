"""企业微信应用消息: text to members of the enterprise's WeCom; judged by errcode.

address    member ids, "USER" or "USER1|USER2"; "party:1|2" a department, "tag:1" a tag
limits     text 2048 bytes; 30 messages a minute and 1000 an hour to one member; a token per app for two hours
repeats    the provider drops the same text to the same people within half an hour (duplicate check)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from alerts.changes import Note
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import ask_json, body, fingerprint, judge
from alerts.notify.token import Token

_TEXT_BYTES = 2048
_RATE_S = 60.0
_DUPLICATE_S = 1800
_KINDS = {
    "-1": ErrorKind.RETRY,  # busy
    "45009": ErrorKind.RETRY,  # too often
    "40014": ErrorKind.REFRESH,  # the token is none
    "42001": ErrorKind.REFRESH,  # the token has expired
    "40001": ErrorKind.CONFIG,  # the secret is wrong
    "60020": ErrorKind.CONFIG,  # our address is not among the app's trusted ones
    "301002": ErrorKind.CONFIG,  # the token is another app's
    "81013": ErrorKind.FALLBACK,  # nobody of the recipients can be reached
}
_FIELDS = {"party": "toparty", "tag": "totag"}


@dataclass(slots=True)
class WecomApp:
    """Sends to members through an app; corp_id, secret and agent_id stand in WeCom's administration."""

    client: httpx.AsyncClient = field(repr=False)
    corp_id: str = ""
    secret: str = field(default="", repr=False)
    agent_id: int = 0
    url: str = "https://qyapi.weixin.qq.com"
    per_minute: int = 27
    _token: Token = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._token = Token(self._fetch)

    def credential(self, note: Note) -> str:
        return f"{self.agent_id}:{fingerprint(note.address)}"

    async def send(self, note: Note) -> Receipt:
        token = await self._token.get()
        try:
            return await self._send(note, token)
        except ChannelError as error:
            if error.kind != ErrorKind.REFRESH:
                raise
            self._token.drop(token)
        return await self._send(note, await self._token.get())

    async def _send(self, note: Note, token: str) -> Receipt:
        answer = await ask_json(
            self.client,
            "POST",
            f"{self.url}/cgi-bin/message/send",
            params={"access_token": token},
            json=self._message(note),
        )
        _check(answer)
        missed = "|".join(filter(None, (answer.get(f"invalid{who}") for who in ("user", "party", "tag"))))
        if missed and set(missed.split("|")) >= set(note.address.rpartition(":")[2].split("|")):
            raise ChannelError(ErrorKind.FALLBACK, "invaliduser", "the recipient is not reached by this app")
        return Receipt(id=str(answer.get("msgid", "")), detail=f"not reached: {missed}" if missed else "")

    def _message(self, note: Note) -> dict[str, Any]:
        kind, _, who = note.address.rpartition(":")
        return {
            _FIELDS.get(kind, "touser"): who,
            "msgtype": "text",
            "agentid": self.agent_id,
            "text": {"content": body(note, _TEXT_BYTES)},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": _DUPLICATE_S,
        }

    async def _fetch(self) -> tuple[str, float]:
        answer = await ask_json(
            self.client,
            "GET",
            f"{self.url}/cgi-bin/gettoken",
            params={"corpid": self.corp_id, "corpsecret": self.secret},
        )
        _check(answer)
        return str(answer["access_token"]), float(answer["expires_in"])


def _check(answer: dict[str, Any]) -> None:
    if answer.get("errcode") != 0:
        raise judge(answer.get("errcode"), answer.get("errmsg"), _KINDS, retry_after_s=_RATE_S)
