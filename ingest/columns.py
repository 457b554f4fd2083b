"""Columns: where the decoders put readings, and the checks that are cheaper on columns than on rows."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.batch import HISTORICAL, Quality
from core.reject import Reason, Reject
from core.time import DAY, seconds
from ingest.holding import Holding
from ingest.instant import nanoseconds
from registry.catalog import Catalog

if TYPE_CHECKING:
    Ints = array[int]
else:
    Ints = array  # which Python 3.11 cannot subscript

LARGEST_VALUE = 1e300
# Stands for a topic, or a character in one, that is no text.
UNREADABLE_TOPIC = "\ufffd"
# In a column of times: the sender gave none.  No sum of a time and an offset reaches it.
ABSENT = -(2**63)
# After so many faults in one message its rest is not looked at: no message may cost us more than 50 ms.
MOST_FAULTS = 1_000
# So many messages of a batch are looked at for the senders' clocks.
MOST_HEARD = 256
# What reading one message by its slow ways may cost, in µs, roughly.  No message may cost us more than 50 ms, and
# this leaves room for its parsing and for a machine that is three times slower than ours.
MOST_EFFORT = 10_000
# A payload is kept to this length: the longest that is worth reading.
KEPT_BYTES = 65_536

# Faults of a row.  NOTHING is none: a null in a column says that there is no reading.
_NOTHING = 1
_REASONS = {
    2: Reason.NOT_A_NUMBER, 3: Reason.UNKNOWN_SERIES, 4: Reason.BAD_TIME,
    5: Reason.FUTURE_TIME, 6: Reason.TOO_OLD, 7: Reason.OUT_OF_RANGE,
}  # fmt: skip


class Hopeless(Exception):  # noqa: N818 - it is no error of the program
    """The open message has too many faults to go on with it."""


class Message(NamedTuple):
    """One MQTT message; `arrived` in ns, `mid` and `dup` as in its header."""

    topic: str
    payload: bytes
    arrived: int
    retained: bool = False
    mid: int = 0
    dup: bool = False

    @property
    def default_t(self) -> int:
        """When readings without a time were measured: on arrival; when retained nobody knows, so 1970."""
        return 0 if self.retained else self.arrived


class Reply(NamedTuple):
    """What a sender waits for; published at QoS 1 once what caused it is committed."""

    topic: str
    payload: bytes
    retain: bool = False


class Presence(NamedTuple):
    """What we say about ourselves on a topic, retained: while connected, and when we are gone (the MQTT will)."""

    topic: str
    online: bytes
    offline: bytes


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a reading's own time may lie from ours, ns."""

    future: int = seconds(300)
    age: int = 90 * DAY


NOTHING_HEARD = (np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a batch of messages said, in order of arrival.

    series int32[N] · t int64[N] ns, whole µs · value float64[N] finite · quality uint8[N]
    rejects : what was not taken · received : readings per gateway, rows and rejects together
    replies : what senders wait for
    held, released : messages whose acknowledgement waits, or waits no longer (ingest/holding.py)
    heard : (gateway int32[M], ns int64[M]) per message with a time of its own: arrival - time of its last reading
    """

    series: NDArray[np.int32]
    t: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    rejects: tuple[Reject, ...]
    received: dict[int, int]
    replies: tuple[Reply, ...] = ()
    heard: tuple[NDArray[np.int32], NDArray[np.int64]] = NOTHING_HEARD
    held: tuple[Message, ...] = ()
    released: tuple[Message, ...] = ()

    def __len__(self) -> int:
        return len(self.series)


class Columns:
    """The open columns of one batch.

    A decoder extends `series` (keys of the catalog, never 0), `t` (s, ms, µs or ns: the magnitude tells) and
    `value` (None = no reading) by equal lengths, or calls `reject`.
    Lists, because Python extends them faster than arrays; whole columns that repeat come as a `block` of C integers,
    which needs no conversion.  So `series` and `t` hold what came since the last block, and `value` all.
    """

    def __init__(self, messages: Sequence[Message], holding: Holding | None = None) -> None:
        self.holding = Holding() if holding is None else holding
        self.series: list[int] = []
        self.t: list[int] = []
        self.value: list[float | None] = []
        self.statuses = 0  # messages that hold no readings by their nature
        self.unclaimed = 0  # readings under foreign names that the registry does not want
        self.lenient = 0  # messages with a fault that their gateway is allowed
        self.gaps: Counter[int] = Counter()  # per gateway: messages that its own numbering says are missing
        self.replies: list[Reply] = []
        self._series: Ints = array("i")  # up to the last block
        self._t: Ints = array("q")
        self._starts: list[int] = []
        self._messages = messages
        self._quality: list[tuple[int, int, Quality]] = []
        self._historical: list[tuple[int, int]] = []
        self._rejects: list[Reject] = []
        self._raw_kept: set[int] = set()
        self._absent: NDArray[np.intp] = np.empty(0, np.intp)
        self._n_faults = self._effort = 0

    def open(self) -> None:
        """Begin the next message: what follows is of it."""
        self._starts.append(len(self.value))
        self._n_faults = self._effort = 0

    def block(self, series: Ints, t: Ints) -> None:
        """Take the series and times of readings whose values are in `value` already."""
        self._finish()
        self._series += series
        self._t += t

    def _finish(self) -> None:
        """Put what came since the last block behind it."""
        if self.series:
            # 11 ns per number where fromlist takes 15, and np.array 19.
            self._series.frombytes(struct.pack(f"{len(self.series)}i", *self.series))
            self._t.frombytes(struct.pack(f"{len(self.t)}q", *self.t))
            self.series.clear()
            self.t.clear()

    def add(self, series: int, t: int, value: float) -> None:
        """Take one reading; `t` may be ABSENT."""
        self.series.append(series)
        self.t.append(t)
        self.value.append(value)

    def mark(self, n_last: int, quality: Quality) -> None:
        """Give the last n readings a quality other than GOOD; of several marks the worst stays."""
        end = len(self.value)
        self._quality.append((end - n_last, end, quality))

    def mark_historical(self, n_last: int) -> None:
        """Say of the last n readings that their sender had kept them: nobody is paged for them."""
        end = len(self.value)
        self._historical.append((end - n_last, end))

    def reject(self, gateway: int, reason: Reason, detail: str) -> None:
        """Refuse one reading, or the whole, of the message that is open; raises Hopeless after MOST_FAULTS."""
        if self._n_faults == MOST_FAULTS:
            detail = f"after {MOST_FAULTS} faults the rest of the message was not looked at"
            self._keep(len(self._starts) - 1, gateway, Reason.BAD_SHAPE, detail)
            raise Hopeless
        self._n_faults += 1
        self._keep(len(self._starts) - 1, gateway, reason, detail)

    @property
    def so_far(self) -> tuple[int, int, int]:
        """Counts that stay the same only as long as nothing is taken, refused or passed over."""
        return len(self.value), len(self._rejects), self.unclaimed

    @property
    def silent(self) -> bool:
        """Whether nothing was taken of the open message, and nothing refused."""
        return len(self.series) == self._starts[-1] and not self._n_faults

    @property
    def start(self) -> int:
        """The row at which the open message begins."""
        return self._starts[-1]

    def reject_earlier(self, message: Message, gateway: int, reason: Reason, detail: str) -> None:
        """Refuse a message that an earlier batch brought and that has waited in vain."""
        payload = message.payload[:KEPT_BYTES]
        self._rejects.append(Reject(gateway, message.topic, payload, message.arrived, reason, detail))

    def spend(self, effort_us: int, gateway: int) -> None:
        """Count what a piece of the open message costs; raises Hopeless, with one reject, when it is too much."""
        self._effort += effort_us
        if self._effort > MOST_EFFORT:
            detail = "the message is too long for its kind: the rest of it was not looked at"
            self._keep(len(self._starts) - 1, gateway, Reason.TOO_LARGE, detail)
            raise Hopeless

    def undo(self) -> None:
        """Forget the rows that the open message brought so far; what it had rejected stays rejected."""
        start = self._starts[-1]
        self._finish()
        del self._series[start:], self._t[start:], self.value[start:]
        while self._quality and self._quality[-1][0] >= start:
            self._quality.pop()
        while self._historical and self._historical[-1][0] >= start:
            self._historical.pop()

    def close(self, catalog: Catalog, now: int, tolerance: Tolerance) -> Rows:
        """Return the batch, checked against catalog and clock; the columns must not be used again."""
        self._finish()
        series, t, value = np.array(self._series), self._instants(), self._values()
        quality = np.full(len(series), Quality.GOOD, np.uint8)
        for start, end, mark in self._quality:
            np.minimum(quality[start:end], np.uint8(mark), out=quality[start:end])
        for start, end in self._historical:
            quality[start:end] |= HISTORICAL
        fault = _faults(catalog, series, t, value, now=now, tolerance=tolerance)
        heard = self._heard(catalog, series, t)
        if fault.any():
            self._reject_rows(catalog, series, t, value, fault)
            good = fault == 0
            series, t, value, quality = series[good], t[good], value[good], quality[good]
        received = Counter(per_gateway(catalog.gateway, series))
        received.update(reject.gateway for reject in self._rejects)
        held, released = self.holding.changes()
        return Rows(
            series, t, value, quality, tuple(self._rejects), dict(received), tuple(self.replies), heard,
            held, released,
        )  # fmt: skip

    def _heard(
        self, catalog: Catalog, series: NDArray[np.int32], t: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return how far the clocks of some senders were behind ours; of rejected readings too."""
        chosen = np.arange(0, len(self._starts), 1 + len(self._starts) // MOST_HEARD)
        ends = np.append(np.array(self._starts, np.int64), len(series))
        own = ends[chosen + 1] > ends[chosen]
        last = ends[chosen[own] + 1] - 1
        timed = ~np.isin(last, self._absent)
        last, chosen = last[timed], chosen[own][timed]
        arrived = np.array([self._messages[number].arrived for number in chosen.tolist()], np.int64)
        return catalog.gateway[series[last]], arrived - t[last]

    def _instants(self) -> NDArray[np.int64]:
        t = np.array(self._t)
        self._absent = absent = np.flatnonzero(t == ABSENT)
        of_message = np.searchsorted(self._starts, absent, side="right") - 1
        t[absent] = [self._messages[number].default_t for number in of_message]
        return nanoseconds(t)

    def _values(self) -> NDArray[np.float64]:
        try:
            return np.frombuffer(struct.pack(f"{len(self.value)}d", *self.value))
        except struct.error:
            return np.array(self.value, np.float64)  # slower, but makes None a NaN

    def _reject_rows(
        self, catalog: Catalog, series: NDArray[np.int32], t: NDArray[np.int64],
        value: NDArray[np.float64], fault: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        rows = np.flatnonzero(fault > _NOTHING)
        when = np.datetime_as_string(t[rows].astype("datetime64[ns]"), unit="ms")
        columns = zip(
            rows.tolist(), series[rows].tolist(), value[rows].tolist(), when.tolist(), fault[rows].tolist(),
            strict=True,
        )  # fmt: skip
        for row, key, number, instant, code in columns:
            reason, detail = _REASONS[code], f"{catalog.signal[key]} = {number:g} at {instant}Z"
            if reason is Reason.OUT_OF_RANGE:
                detail += f"; possible: {catalog.physical_low[key]:g} to {catalog.physical_high[key]:g}"
            self._keep(bisect_right(self._starts, row) - 1, int(catalog.gateway[key]), reason, detail)

    def _keep(self, number: int, gateway: int, reason: Reason, detail: str) -> None:
        """Keep the raw bytes once per message: 10,000 bad rows in one message must not become 640 MB."""
        message = self._messages[number]
        payload = b"" if number in self._raw_kept else message.payload[:KEPT_BYTES]
        self._raw_kept.add(number)
        self._rejects.append(Reject(gateway, message.topic, payload, message.arrived, reason, detail))


def per_gateway(gateway: NDArray[np.int32], series: NDArray[np.int32]) -> dict[int, int]:
    """Return how many of these rows are of each gateway.

    gateway : int32[S]   per series key, as in the catalog · series : int32[N]
    """
    if not len(series):
        return {}
    counts = np.bincount(gateway[series])
    return {int(key): int(counts[key]) for key in np.flatnonzero(counts)}


def _faults(
    catalog: Catalog, series: NDArray[np.int32], t: NDArray[np.int64], value: NDArray[np.float64],
    *, now: int, tolerance: Tolerance,
) -> NDArray[np.uint8]:  # fmt: skip
    """Return per row 0 or what is wrong with it; of several faults the last clause is told."""
    fault = np.zeros(len(series), np.uint8)
    possible = (value >= catalog.physical_low[series]) & (value <= catalog.physical_high[series])
    possible &= np.abs(value) <= LARGEST_VALUE
    known = catalog.active[series]
    oldest, newest = now - tolerance.age, now + tolerance.future
    if len(t) and possible.all() and known.all() and t.min() >= oldest and t.max() <= newest:
        return fault
    fault[~possible] = 7
    fault[t < oldest] = 6
    fault[t > newest] = 5
    fault[t < 0] = 4
    fault[~known] = 3
    fault[np.abs(value) > LARGEST_VALUE] = 2
    fault[np.isnan(value)] = _NOTHING
    return fault
