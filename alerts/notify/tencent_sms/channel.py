"""腾讯云短信 (2021-01-11): SendSms, signed with TC3-HMAC-SHA256; HTTP 200 may hold a failure per number.

address    mobile number
params     variables of the template in its order, each the name of a fact (alerts/message.py)
repeats    not idempotent: ask `find` before a second attempt; it finds what the carrier has reported, by the
           SessionContext, which the provider gives back only where it was asked to
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from alerts.changes import Note
from alerts.notify.contract import ErrorKind, Receipt
from alerts.notify.http import ask_json, fingerprint, judge
from alerts.notify.sms import mobile, variables
from core.time import SECOND, clock_ns, to_datetime

_VERSION = "2021-01-11"
_ALGORITHM = "TC3-HMAC-SHA256"
_JSON = "application/json; charset=utf-8"
_SESSION_CHARS = 512
_RATE_S = 30.0  # the same text to a number: once in 30 s
_KINDS = {
    "LimitExceeded.DeliveryFrequencyLimit": ErrorKind.RETRY,
    "LimitExceeded.*": ErrorKind.FALLBACK,  # this number has had enough for the hour or the day
    "RequestLimitExceeded": ErrorKind.RETRY,
    "RequestLimitExceeded.*": ErrorKind.RETRY,
    "InternalError": ErrorKind.RETRY,
    "InternalError.*": ErrorKind.RETRY,
    "AuthFailure.*": ErrorKind.CONFIG,  # SignatureExpire: our clock is off by more than five minutes
    "UnauthorizedOperation.*": ErrorKind.CONFIG,
    "FailedOperation.PhoneNumberInBlacklist": ErrorKind.FALLBACK,
    "FailedOperation.TemplateIncorrectOrUnapproved": ErrorKind.CONFIG,
    "FailedOperation.SignatureIncorrectOrUnapproved": ErrorKind.CONFIG,
    "InvalidParameterValue.IncorrectPhoneNumber": ErrorKind.FALLBACK,
}


@dataclass(frozen=True, slots=True)
class TencentSms:
    """Sends SMS with an approved signature and template."""

    client: httpx.AsyncClient = field(repr=False)
    secret_id: str = ""
    secret_key: str = field(default="", repr=False)
    app_id: str = ""
    sign_name: str = ""
    template_id: str = ""
    params: tuple[str, ...] = ("level", "subject", "value", "alert")
    param_chars: int = 35
    region: str = "ap-guangzhou"
    url: str = "https://sms.tencentcloudapi.com"
    per_minute: int = 2
    clock: Callable[[], int] = field(default=clock_ns, repr=False)

    def credential(self, note: Note) -> str:
        return fingerprint(note.address)

    async def send(self, note: Note) -> Receipt:
        texts = variables(note, {name: name for name in self.params}, self.param_chars)
        answer = await self._call(
            "SendSms",
            {
                "PhoneNumberSet": [f"+86{mobile(note)}"],
                "SmsSdkAppId": self.app_id,
                "SignName": self.sign_name,
                "TemplateId": self.template_id,
                "TemplateParamSet": [texts[name] for name in self.params],
                "SessionContext": session(note),
            },
        )
        (status,) = answer.get("SendStatusSet") or ({"Code": "empty", "Message": "no status"},)
        if status.get("Code") != "Ok":
            raise judge(status.get("Code"), status.get("Message"), _KINDS, retry_after_s=_RATE_S)
        return Receipt(id=str(status.get("SerialNo", "")))

    async def find(self, note: Note) -> Receipt | None:
        """Look through what carriers have reported for this number since the note."""
        question = {
            "BeginTime": note.created // SECOND - 60,
            "Offset": 0,
            "Limit": 100,
            "PhoneNumber": f"+86{mobile(note)}",
            "SmsSdkAppId": self.app_id,
        }
        answer = await self._call("PullSmsSendStatusByPhoneNumber", question)
        for status in answer.get("PullSmsSendStatusSet") or ():
            if status.get("SessionContext") == session(note) and status.get("ReportStatus") == "SUCCESS":
                return Receipt(id=str(status.get("SerialNo", "")), detail="found")
        return None

    async def _call(self, action: str, question: dict[str, Any]) -> dict[str, Any]:
        content, now_s = msgspec.json.encode(question), self.clock() // SECOND
        host = urlsplit(self.url).netloc
        headers = {
            "Authorization": authorization(
                self.secret_id, self.secret_key, host=host, content=content, now_s=now_s
            ),
            "Content-Type": _JSON,
            "Host": host,
            "X-TC-Action": action,
            "X-TC-Region": self.region,
            "X-TC-Timestamp": str(now_s),
            "X-TC-Version": _VERSION,
        }
        answer = await ask_json(self.client, "POST", f"{self.url}/", content=content, headers=headers)
        response: dict[str, Any] = answer.get("Response") or {}
        if error := response.get("Error"):
            raise judge(error.get("Code"), error.get("Message"), _KINDS, retry_after_s=_RATE_S)
        return response


def session(note: Note) -> str:
    """Return what the provider gives back with the carrier's report: the note's key."""
    return note.key[: _SESSION_CHARS - 1]


def authorization(
    secret_id: str, secret_key: str, *, host: str, content: bytes, now_s: int, service: str = "sms"
) -> str:
    """Return the header of a signed POST to "/"."""
    date = to_datetime(now_s * SECOND).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    request = (
        f"POST\n/\n\ncontent-type:{_JSON}\nhost:{host}\n\ncontent-type;host\n"
        f"{hashlib.sha256(content).hexdigest()}"
    )
    text = f"{_ALGORITHM}\n{now_s}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = _hmac(key, part)
    signature = _hmac(key, text).hex()
    return (
        f"{_ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
