"""Decoding: what messages in a file become, without broker, registry or database."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core.batch import HISTORICAL, Quality
from core.errors import FengsuiError
from core.time import DAY, to_datetime
from ingest.columns import Message, Rows, Tolerance
from ingest.decode import Decoder
from ingest.guess import feed_for, guess, topic_for
from ingest.open_catalog import OpenCatalog

_HEX = re.compile(rb"\s*(?:[0-9A-Fa-f]{2}[\s:,-]*){4,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{12,}={0,2}\s*")
# Any time is shown; the service rejects what is too old or lies ahead.
_ANY_TIME = Tolerance(future=80_000 * DAY, age=80_000 * DAY)


class NoFormatError(FengsuiError):
    """Nobody knows what a message is."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One message of a file."""

    label: str
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller knows: format, mapping, topic, names; "" = find out."""

    form: str = ""
    mapping: str = ""
    topic: str = ""
    names: str = ""
    key: str = ""
    lenient: bool = False
    zone: str = "Asia/Shanghai"


def captured(path: Path, topic: str = "") -> list[Captured]:
    """Return the messages of a file: a capture (JSON lines with `raw`), hexadecimal, base64, or plain bytes."""
    data = path.read_bytes()
    lines = list(_lines(data, path.name, topic))
    return lines or [Captured(path.name, topic, plain(data))]


def _lines(data: bytes, name: str, topic: str) -> Iterator[Captured]:
    for number, line in enumerate(data.splitlines(), 1):
        try:
            body = json.loads(line)
        except ValueError:
            return
        if not isinstance(body, dict) or not any(key in body for key in ("raw", "hex", "base64")):
            return
        told = body.get("topic") or (
            f"spBv1.0/group/{body['message_type']}/node" if "message_type" in body else ""
        )
        yield Captured(str(body.get("id", f"{name}:{number}")), topic or told, _raw(body))


def _raw(body: dict[str, Any]) -> bytes:
    if "raw" in body:
        return str(body["raw"]).encode()
    if "hex" in body:
        return bytes.fromhex(body["hex"])
    return base64.b64decode(body["base64"])


def plain(data: bytes) -> bytes:
    """Return the bytes that a text of hexadecimal digits or base64 stands for; anything else as it is."""
    if _HEX.fullmatch(data) and not data.strip().isdigit():
        return bytes.fromhex(re.sub(rb"[\s:,-]", b"", data).decode())
    if _BASE64.fullmatch(data):
        try:
            return base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            return data
    return data


class Reading:
    """Decodes one message after the other; a format keeps what it learned from the ones before."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.everything = OpenCatalog(zone=wish.zone, lenient=wish.lenient)
        self.decoders: dict[tuple[str, ...], Decoder] = {}
        self.names: dict[int, tuple[str, str]] = {}

    def read(self, one: Captured, now: int) -> dict[str, Any]:
        """Return {"label", "topic", "format", "rows", "rejects", "answers"}; raises NoFormatError."""
        form, mapping = self._form(one, now)
        topic = one.topic or topic_for(form, one.payload)
        decoder = self._decoder(form, mapping, topic)
        rows = decoder.decode([Message(topic, one.payload, now)], now)
        shown = f"{form} {mapping}".strip()
        return {
            "label": one.label,
            "topic": one.topic,
            "format": shown,
            "rows": list(self._rows(rows, now)),
            "rejects": [{"reason": str(reject.reason), "detail": reject.detail} for reject in rows.rejects],
            "answers": [
                {"topic": reply.topic, "payload": reply.payload.decode("utf-8", "backslashreplace")}
                for reply in rows.replies
            ],
        }

    def _form(self, one: Captured, now: int) -> tuple[str, str]:
        if self.wish.form or self.wish.mapping:
            return self.wish.form or "mapping", self.wish.mapping
        form, mapping = guess(Message(one.topic, one.payload, now))
        if not form:
            raise NoFormatError(
                f"{one.label}: nobody knows what this is. Say --format or --mapping, and --topic if it had one."
            )
        return form, mapping

    def _decoder(self, form: str, mapping: str, topic: str) -> Decoder:
        feed = feed_for(form, topic, mapping=mapping, names=self.wish.names, key=self.wish.key)
        decoder = self.decoders.get(feed)
        if decoder is None:
            decoder = self.decoders[feed] = Decoder([feed], self.everything.catalog, tolerance=_ANY_TIME)
            for places in decoder.places():
                places.names.seen = self.names
        return decoder

    def _rows(self, rows: Rows, now: int) -> Iterator[dict[str, Any]]:
        columns = (rows.series.tolist(), rows.t.tolist(), rows.value.tolist(), rows.quality.tolist())
        for series, t, value, quality in zip(*columns, strict=True):
            gateway, device, signal = self.everything.owner[series]
            name, unit = self.names.get(series, (signal, ""))
            yield {
                "gateway": gateway, "device": device, "name": name, "signal": signal, "value": value, "unit": unit,
                "time": local(t, self.wish.zone), "t_ns": t, "quality": Quality(quality & 3).name.lower(),
                "historical": bool(quality & HISTORICAL), "time_is": "arrival" if t == now - now % 1000 else "sent",
            }  # fmt: skip


def local(t: int, zone: str) -> str:
    """Return an instant as ISO 8601 in a zone, to the microsecond where it has any."""
    try:
        moment = to_datetime(t).astimezone(ZoneInfo(zone))
    except (OverflowError, ValueError):
        moment = datetime.max.replace(tzinfo=ZoneInfo("UTC")) - timedelta(days=1)
    return moment.isoformat()


def read_all(messages: Sequence[Captured], wish: Wish, now: int) -> list[dict[str, Any]]:
    """Return what each message becomes; one that nobody knows is a result too."""
    reading, results = Reading(wish), []
    for one in messages:
        try:
            results.append(reading.read(one, now))
        except NoFormatError as error:
            empty: dict[str, Any] = {"rows": [], "answers": []}
            rejects = [{"reason": "unknown_topic", "detail": str(error)}]
            results.append(
                {"label": one.label, "topic": one.topic, "format": "", **empty, "rejects": rejects}
            )
    return results
