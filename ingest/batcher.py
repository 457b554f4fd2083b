"""Batcher: when a batch closes, and what the pipeline is handed then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.batch import Batch
from core.reject import Reject
from ingest.settings import IngestSettings

# A batch of no more than this is committed at once, whatever is in it.
LEAST_BYTES = 65_536


class Closed(StrEnum):
    """What closed a batch; a label of the metric."""

    COUNT = "count"
    BYTES = "bytes"
    TIME = "time"
    TICK = "tick"
    STOP = "stop"


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A batch with everything that must be committed together, and its acknowledgement.

    received   : readings per gateway (0 = unknown): rows, repeats and rejects together
    duplicates : repeats inside this batch, per gateway; those of earlier batches are found by the store
    messages   : how many MQTT messages it holds
    now        : wall clock, ns, taken once, after the last message arrived
    connected  : False when nothing came and the broker is away: we are blind, the sensors are not silent
    first_arrived : arrival of the oldest message, ns; `now` when there is none
    ack        : call it when all this is durable; calling it again does nothing

    After ack, received = stored + duplicate + rejected for every gateway.
    """

    batch: Batch
    rejects: tuple[Reject, ...]
    received: Mapping[int, int]
    duplicates: Mapping[int, int]
    messages: int
    now: int
    connected: bool
    first_arrived: int
    ack: Callable[[], None]


class Closing:
    """Decides when the open batch closes; monotonic seconds are handed in.

    flush_s counts from when the worker took the first message; without messages a tick closes it.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self.settings = settings
        self.closed: Counter[Closed] = Counter()
        self._readings_per_byte = 0.0
        self.open(0.0)

    def open(self, now_s: float) -> None:
        """Begin a batch."""
        self.n_messages = self.n_bytes = 0
        self._due_s, self._by = now_s + self.settings.tick_s, Closed.TICK

    def add(self, n_messages: int, n_bytes: int, now_s: float) -> None:
        """Count what was taken."""
        if not self.n_messages:
            self._due_s, self._by = now_s + self.settings.flush_s, Closed.TIME
        self.n_messages += n_messages
        self.n_bytes += n_bytes

    @property
    def room(self) -> int:
        """How many messages still fit."""
        return self.settings.batch_messages - self.n_messages

    @property
    def room_bytes(self) -> int:
        """How many bytes still fit; so many that there are about `batch_readings` in the batch."""
        most = self.settings.batch_bytes
        if self._readings_per_byte:
            most = min(most, max(LEAST_BYTES, int(self.settings.batch_readings / self._readings_per_byte)))
        return most - self.n_bytes

    def learn(self, n_readings: int, n_bytes: int) -> None:
        """See what became of a batch: how many bytes a reading takes decides how many of them make the next one."""
        if n_bytes:
            self._readings_per_byte += 0.2 * (n_readings / n_bytes - self._readings_per_byte)

    def full(self) -> Closed | None:
        """Return what closes the batch whatever the time is."""
        if self.room <= 0:
            return Closed.COUNT
        return Closed.BYTES if self.room_bytes <= 0 else None

    def due(self, now_s: float) -> Closed | None:
        """Return what closes the batch when nothing more waits to be taken."""
        return self._by if now_s >= self._due_s else None

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait for more."""
        return max(0.0, self._due_s - now_s)
