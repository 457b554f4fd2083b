"""微信服务号模板消息: a template filled and sent to a follower; judged by errcode.

address    openid of the follower
fields     name in the template -> name of a fact (alerts/message.py), {"thing1": "subject", "time2": "since"}
limits     thing 20 characters, character_string 32 without Chinese; 100,000 a day and account
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from alerts.changes import Note
from alerts.message import cut_chars, facts
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import ask_json, fingerprint, judge, mask
from alerts.notify.token import Token

_THING_CHARS = 20
_STRING_CHARS = 32
_RATE_S = 60.0
_KINDS = {
    "-1": ErrorKind.RETRY,  # busy
    "45009": ErrorKind.FALLBACK,  # the day's quota is used up
    "40001": ErrorKind.REFRESH,  # the token is another's
    "40014": ErrorKind.REFRESH,
    "42001": ErrorKind.REFRESH,
    "40013": ErrorKind.CONFIG,  # no such app id
    "40125": ErrorKind.CONFIG,  # the secret is wrong
    "40037": ErrorKind.CONFIG,  # no such template
    "47003": ErrorKind.CONFIG,  # a field does not fit the template
    "40003": ErrorKind.FALLBACK,  # no such follower
    "43101": ErrorKind.FALLBACK,  # the follower has refused
}


@dataclass(slots=True)
class WechatTemplate:
    """Sends template messages of a service account."""

    client: httpx.AsyncClient = field(repr=False)
    app_id: str = ""
    secret: str = field(default="", repr=False)
    template_id: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: {"thing1": "subject", "time2": "since"})
    url: str = "https://api.weixin.qq.com"
    per_minute: int = 600
    _token: Token = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._token = Token(self._fetch)

    def credential(self, note: Note) -> str:  # noqa: ARG002 - the account's limit, whoever the note is for
        return fingerprint(self.app_id)

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
        message = {"touser": note.address, "template_id": self.template_id, "data": self._data(note)}
        if note.link:
            message["url"] = note.link
        answer = await ask_json(
            self.client,
            "POST",
            f"{self.url}/cgi-bin/message/template/send",
            params={"access_token": token},
            json=message,
        )
        _check(answer)
        return Receipt(id=str(answer.get("msgid", "")))

    def _data(self, note: Note) -> dict[str, dict[str, str]]:
        known = facts(note)
        return {name: {"value": _fit(name, mask(known[fact]))} for name, fact in self.fields.items()}

    async def _fetch(self) -> tuple[str, float]:
        params = {"grant_type": "client_credential", "appid": self.app_id, "secret": self.secret}
        answer = await ask_json(self.client, "GET", f"{self.url}/cgi-bin/token", params=params)
        if "access_token" not in answer:
            _check(answer)
        return str(answer["access_token"]), float(answer["expires_in"])


def _fit(name: str, value: str) -> str:
    """Return what a field of this name takes; an empty one would be refused."""
    if name.startswith("thing"):
        return cut_chars(value, _THING_CHARS) or "-"
    if name.startswith("character_string"):
        return "".join(c for c in value if c.isascii())[:_STRING_CHARS] or "-"
    return value or "-"


def _check(answer: dict[str, Any]) -> None:
    if answer.get("errcode") != 0:
        raise judge(answer.get("errcode"), answer.get("errmsg"), _KINDS, retry_after_s=_RATE_S)
