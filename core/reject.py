"""Rejects: bad input is data; it is counted, kept with a reason, and the service goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was not taken as a sample; stored as this text, and a label of the metric."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_GATEWAY = "unknown_gateway"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_SERIES = "unknown_series"
    WRONG_OWNER = "wrong_owner"
    BAD_JSON = "bad_json"
    BAD_SHAPE = "bad_shape"
    NOT_UTF8 = "not_utf8"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    SENTINEL = "sentinel"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    TOO_OLD = "too_old"
    TOO_LARGE = "too_large"
    TOO_FAST = "too_fast"
    BAD_CHECKSUM = "bad_checksum"
    BAD_LENGTH = "bad_length"
    INCOMPLETE = "incomplete"
    UNKNOWN_CODE = "unknown_code"
    BAD_QUALITY = "bad_quality"


@dataclass(frozen=True, slots=True)
class Reject:
    """One thing that was not taken.

    gateway : int      the registry's primary key, 0 when the sender is not known
    topic : str        MQTT topic as received
    payload : bytes    the raw message, cut to 64 KiB (the longest that is worth reading)
    arrived : int      arrival time, ns
    reason : Reason
    detail : str       what is wrong with it, in one line for the engineer on site
    n : int            for how many messages it stands: one of a flood is kept, and all are counted
    """

    gateway: int
    topic: str
    payload: bytes
    arrived: int
    reason: Reason
    detail: str = ""
    n: int = 1
