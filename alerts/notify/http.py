"""One request to a provider, with all that the network can do to it told apart."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from alerts.changes import Note
from alerts.message import cut_bytes
from alerts.notify.contract import ChannelError, ErrorKind

# Both log addresses, and keys are part of addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

_PHONE = re.compile(r"(?<!\d)((?:\+?86)?1\d{2})\d{4}(\d{4})(?!\d)")
_IDENTITY = re.compile(r"(?<!\d)(\d{6})\d{8}(\d{3}[\dXx])(?!\d)")
# The request never reached the provider: nothing was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


async def post(client: httpx.AsyncClient, url: str, **request: Any) -> httpx.Response:
    """POST once and return an answer below 300.

    Raises ChannelError: retry when the network, a 5xx, 408 or 429 is to blame; config for 401, 403 and 404;
    permanent for every other answer.  The address is left out of all texts: keys are part of it.
    """
    response = await exchange(client, "POST", url, **request)
    if response.status_code >= 300:
        raise refused(response)
    return response


async def exchange(client: httpx.AsyncClient, method: str, url: str, **request: Any) -> httpx.Response:
    """Send one request and return whatever was answered; raises ChannelError when nothing was."""
    try:
        return await client.request(method, url, **request)
    except httpx.InvalidURL:
        raise ChannelError(ErrorKind.CONFIG, "url", "the address is no URL") from None
    except httpx.UnsupportedProtocol:
        raise ChannelError(ErrorKind.CONFIG, "url", "the address is no http:// or https:// URL") from None
    except httpx.TransportError as lost:
        maybe = not isinstance(lost, _UNSENT)
        code = "timeout" if isinstance(lost, httpx.TimeoutException) else "connection"
        raise ChannelError(ErrorKind.RETRY, code, type(lost).__name__, maybe_sent=maybe) from None


def refused(response: httpx.Response) -> ChannelError:
    """Return the error for an answer that is judged by its HTTP status."""
    return ChannelError(
        _kind_of_status(response.status_code),
        f"http {response.status_code}",
        mask(response.text[:200]),
        retry_after_s=_retry_after_s(response.headers),
    )


async def ask_json(
    client: httpx.AsyncClient, method: str, url: str, *, explained_by: str = "", **request: Any
) -> dict[str, Any]:
    """Send one request and return the JSON object of the answer; what is no object is worth another attempt.

    explained_by : field of the object by which the provider explains a 4xx; "" when the status says it all
    """
    response = await exchange(client, method, url, **request)
    if response.status_code >= 500:
        raise refused(response)
    answer = _object(response)
    if response.status_code >= 300 and (not answer or explained_by not in answer):
        raise refused(response)
    if answer is None:
        raise ChannelError(ErrorKind.RETRY, "not_json", mask(response.text[:200]), maybe_sent=True)
    return answer


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def judge(
    code: Any, text: Any, kinds: Mapping[str, ErrorKind], *, retry_after_s: float = 0.0
) -> ChannelError:
    """Return the error for a provider's code; what nobody documented is permanent, so it is seen.

    kinds : by code ("45009"), or by all that begin alike ("AuthFailure.*")
    """
    family = f"{str(code).split('.', maxsplit=1)[0]}.*"
    kind = kinds.get(str(code)) or kinds.get(family, ErrorKind.PERMANENT)
    wait_s = retry_after_s if kind == ErrorKind.RETRY else 0.0
    return ChannelError(kind, str(code), mask(str(text))[:200], retry_after_s=wait_s)


def mask(text: str) -> str:
    """Return the text with telephone and identity numbers made unreadable: `138****0000`."""
    return _IDENTITY.sub(r"\1********\2", _PHONE.sub(r"\1****\2", text))


def fingerprint(secret: str) -> str:
    """Return eight characters that tell secrets apart and give nothing away."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def body(note: Note, limit: int, *, english: bool = True) -> str:
    """Return Chinese, English and link in at most `limit` bytes; what is cut is the end of the text."""
    text = mask("\n\n".join([note.text_zh, note.text_en] if english and note.text_en else [note.text_zh]))
    tail = f"\n{note.link}" if note.link else ""
    return cut_bytes(text, limit - len(tail.encode())) + tail


def _kind_of_status(status: int) -> ErrorKind:
    if status >= 500 or status in (408, 429):
        return ErrorKind.RETRY
    return ErrorKind.CONFIG if status in (401, 403, 404) else ErrorKind.PERMANENT


def _retry_after_s(headers: httpx.Headers) -> float:
    """Only the form in seconds: a date would need a clock, and few send it."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
