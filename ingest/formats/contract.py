"""What every wire format looks like from outside, and what they share: senders, and what a reading may be."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from msgspec import DecodeError
from msgspec.json import Decoder

from core.batch import Quality
from core.reject import Reason
from ingest.columns import LARGEST_VALUE, Columns, Ints, Message
from ingest.instant import LARGEST, from_float
from registry.catalog import Catalog, Gateway

QUALITIES: Mapping[str, Quality] = {
    "good": Quality.GOOD,
    "uncertain": Quality.UNCERTAIN,
    "bad": Quality.BAD,
}


_quick_json = Decoder().decode


class Format(Protocol):
    """One wire format, made from a Feed.

    Laws: decoding never raises what a payload can cause; every message ends as rows or rejects, or has no
    readings; decoding it twice gives the same; caches last as long as `catalog` is the same object.
    """

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        ...


@runtime_checkable
class Ticking(Protocol):
    """A format that keeps something for a while: told the time with every delivery, also without messages."""

    def tick(self, columns: Columns, now: int) -> None:
        """Give up what has waited too long."""
        ...


@runtime_checkable
class Adopting(Protocol):
    """A format that learns from messages, and can go on where another one of its kind was."""

    def adopt(self, before: Format) -> None:
        """Take over what the format that read these topics before has learned; that one is not used any more."""
        ...


@dataclass(frozen=True, slots=True)
class Sender:
    """A device that we know, as the hot path needs it: gateway's primary key, signal → series key.

    shapes : (instants, signals of a columnar message …) → the series of its values
    """

    gateway: int
    series: dict[str, int]
    shapes: dict[tuple[object, ...], Ints] = field(default_factory=dict)


def as_dict(series: Mapping[str, int]) -> dict[str, int]:
    """Return a mapping as a dict, which is the faster one; a dict stays the object it is."""
    return series if isinstance(series, dict) else dict(series)


class Refusal(Exception):  # noqa: N818 - it is no error of the program
    """One reading, or a whole message, cannot be taken; `gateway` when it is known better than outside."""

    def __init__(self, reason: Reason, detail: str, gateway: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.gateway = gateway


@dataclass(frozen=True, slots=True)
class Refusing:
    """`with Refusing(columns, gateway):` a Refusal inside ends the block and becomes a reject."""

    columns: Columns
    gateway: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Refusal):
            return False
        gateway = self.gateway if error.gateway is None else error.gateway
        self.columns.reject(gateway, error.reason, error.detail)
        return True


def parse_json(payload: bytes) -> Any:
    """Return any JSON, also NaN and numbers beyond a float, so that its good rows can be found; raises Refusal."""
    try:
        return _quick_json(payload)
    except (
        DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ):  # of the standard library's reader only what is odd
        return _any_json(payload)


def _any_json(payload: bytes) -> Any:
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise Refusal(Reason.BAD_JSON, "nested too deeply") from None
    except ValueError as error:
        raise Refusal(Reason.BAD_JSON, str(error)) from None


def as_value(value: Any) -> float:
    """Return a number or a boolean as a float; raises Refusal."""
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if abs(number) <= LARGEST_VALUE:
            return number
    raise Refusal(Reason.NOT_A_NUMBER, f"{brief(value)} is not a number")


def as_time(ts: Any) -> int:
    """Return a time in s, ms, µs or ns since 1970 as an integer that `nanoseconds` reads; raises Refusal."""
    if isinstance(ts, bool) or not isinstance(ts, int | float) or not 0 <= ts <= LARGEST:
        raise Refusal(Reason.BAD_TIME, f"{brief(ts)} is not a time: ms since 1970-01-01T00:00Z")
    if isinstance(ts, float) and not ts.is_integer():
        return from_float(ts)
    return int(ts)


def as_quality(word: Any) -> Quality:
    """Return the quality of `good`, `uncertain`, `bad` or nothing; raises Refusal."""
    if word is None:
        return Quality.GOOD
    if isinstance(word, str) and word in QUALITIES:
        return QUALITIES[word]
    raise Refusal(Reason.BAD_SHAPE, f"q = {brief(word)}: expected good, uncertain or bad")


def known(signal: str, sender: Sender) -> int:
    """Return the series of a signal; raises Refusal."""
    try:
        return sender.series[signal]
    except KeyError:
        raise Refusal(
            Reason.UNKNOWN_SERIES, f"{brief(signal)}: the device has {some(sender.series)}"
        ) from None


def stranger(gateway: Gateway, device: str, codes: Container[str]) -> Refusal:
    """Return what is wrong with a device that a gateway does not have; that of another one is somebody else's.

    codes : of all devices in the registry
    """
    if device in codes:
        detail = f"device {brief(device)} is not behind gateway {gateway.code}, but behind another one"
        return Refusal(Reason.WRONG_OWNER, detail, gateway.id)
    return Refusal(Reason.UNKNOWN_DEVICE, f"no device {brief(device)} at gateway {gateway.code}", gateway.id)


def some(names: Iterable[str]) -> str:
    """Return the first few of a device's signals, at a cost that does not depend on how many there are."""
    return ", ".join(islice(names, 8)) or "no signal at all"


def brief(value: Any) -> str:
    """Return what was sent in a few printable characters, at a cost that does not depend on its size."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object with " + (", ".join(brief(key) for key in islice(value, 4)) or "nothing in it")
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge integer"
    return json.dumps(value, default=repr)
