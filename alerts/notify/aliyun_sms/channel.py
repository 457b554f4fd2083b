"""阿里云短信 (Dysmsapi 2017-05-25): SendSms, signed with ACS3-HMAC-SHA256; judged by Code.

address    mobile number
params     variable of the template -> name of a fact (alerts/message.py)
repeats    SendSms is not idempotent: ask `find` before a second attempt; the note's key is the OutId
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import msgspec

from alerts.changes import Note
from alerts.notify.contract import ErrorKind, Receipt
from alerts.notify.http import ask_json, fingerprint, judge
from alerts.notify.sms import mobile, variables
from core.time import CHINA, clock_ns, to_datetime

_VERSION = "2017-05-25"
_ALGORITHM = "ACS3-HMAC-SHA256"
_RATE_S = 60.0
_FAILED = 2  # SendStatus: 1 waits for the carrier's receipt, 2 failed, 3 arrived
_KINDS = {
    "isv.BUSINESS_LIMIT_CONTROL": ErrorKind.FALLBACK,  # this number has had enough
    "isv.DAY_LIMIT_CONTROL": ErrorKind.FALLBACK,
    "isv.MONTH_LIMIT_CONTROL": ErrorKind.FALLBACK,
    "isv.MOBILE_NUMBER_ILLEGAL": ErrorKind.FALLBACK,
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL": ErrorKind.CONFIG,
    "isv.SIGN_STATE_ILLEGAL": ErrorKind.CONFIG,
    "isv.DENY_IP_RANGE": ErrorKind.CONFIG,
    "isv.*": ErrorKind.CONFIG,
    "isp.*": ErrorKind.RETRY,
    "Throttling": ErrorKind.RETRY,
    "Throttling.*": ErrorKind.RETRY,
    "ServiceUnavailable": ErrorKind.RETRY,
    "InvalidAccessKeyId.*": ErrorKind.CONFIG,
    "SignatureDoesNotMatch": ErrorKind.CONFIG,
    "SignatureNonceUsed": ErrorKind.RETRY,
    "InvalidTimeStamp.*": ErrorKind.CONFIG,  # our clock is wrong
}


@dataclass(frozen=True, slots=True)
class AliyunSms:
    """Sends SMS with an approved signature and template."""

    client: httpx.AsyncClient = field(repr=False)
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    sign_name: str = ""
    template_code: str = ""
    params: Mapping[str, str] = field(
        default_factory=lambda: {"level": "level", "subject": "subject", "value": "value", "id": "alert"}
    )
    param_chars: int = 35
    url: str = "https://dysmsapi.aliyuncs.com"
    per_minute: int = 5
    clock: Callable[[], int] = field(default=clock_ns, repr=False)

    def credential(self, note: Note) -> str:
        return fingerprint(note.address)

    async def send(self, note: Note) -> Receipt:
        query = {
            "PhoneNumbers": mobile(note),
            "SignName": self.sign_name,
            "TemplateCode": self.template_code,
            "TemplateParam": msgspec.json.encode(variables(note, self.params, self.param_chars)).decode(),
            "OutId": out_id(note),
        }
        return Receipt(id=str((await self._call("SendSms", query)).get("BizId", "")))

    async def find(self, note: Note) -> Receipt | None:
        """Look through what was sent to this number on the day of the note; details may be seconds late."""
        day = to_datetime(note.created).astimezone(CHINA).strftime("%Y%m%d")
        query = {"PhoneNumber": mobile(note), "SendDate": day, "PageSize": "50", "CurrentPage": "1"}
        details = (await self._call("QuerySendDetails", query)).get("SmsSendDetailDTOs") or {}
        for detail in details.get("SmsSendDetailDTO", ()):
            if detail.get("OutId") == out_id(note) and detail.get("SendStatus") != _FAILED:
                return Receipt(detail=f"found: status {detail.get('SendStatus')}")
        return None

    async def _call(self, action: str, query: Mapping[str, str]) -> dict[str, Any]:
        parts = urlsplit(self.url)
        headers = {
            "host": parts.netloc,
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": to_datetime(self.clock()).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid4().hex,
            "x-acs-version": _VERSION,
        }
        text = canonical_query(query)
        headers["Authorization"] = authorization(
            self.access_key_id, self.access_key_secret, query=text, headers=headers
        )
        answer = await ask_json(
            self.client, "POST", f"{self.url}/?{text}", explained_by="Code", headers=headers
        )
        if answer.get("Code") != "OK":
            raise judge(answer.get("Code"), answer.get("Message"), _KINDS, retry_after_s=_RATE_S)
        return answer


def out_id(note: Note) -> str:
    """Return what the provider keeps with the message: the note's key, or its hash when it is too long."""
    return note.key if len(note.key) < 256 else hashlib.sha256(note.key.encode()).hexdigest()


def canonical_query(query: Mapping[str, str]) -> str:
    """Return sorted parameters, encoded after RFC 3986."""
    return "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))


def authorization(key_id: str, secret: str, *, query: str, headers: Mapping[str, str]) -> str:
    """Return the header of a signed POST to "/" without a body; `headers` are all signed."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    text = f"{_ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}"
