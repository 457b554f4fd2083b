"""Inlet: the bounded queue between the network thread and the worker."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ingest.columns import Message

if TYPE_CHECKING:
    from ingest.connection import Connection


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one connection brought in one go."""

    connection: Connection
    messages: list[Message]
    payload_bytes: int

    def split(self, n: int) -> tuple[Chunk, Chunk]:
        """Return the first n messages and the rest."""
        head = Chunk(self.connection, self.messages[:n], sum(len(m.payload) for m in self.messages[:n]))
        rest = Chunk(self.connection, self.messages[n:], self.payload_bytes - head.payload_bytes)
        return head, rest


class Inlet:
    """One thread puts, one takes, so the counters need no lock: each has a single writer.

    It never refuses what was already read; `has_room` tells the network thread to stop reading.
    """

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self.most_messages, self.most_bytes = most_messages, most_bytes
        self._queue: SimpleQueue[Chunk] = SimpleQueue()
        self._put = self._taken = 0
        self._put_bytes = self._taken_bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return self._put - self._taken

    @property
    def payload_bytes(self) -> int:
        """How many bytes of payload wait."""
        return self._put_bytes - self._taken_bytes

    @property
    def has_room(self) -> bool:
        """Whether more may be read from the network."""
        return len(self) < self.most_messages and self.payload_bytes < self.most_bytes

    def put(self, chunk: Chunk) -> None:
        """Add a chunk; the network thread's side."""
        self._put += len(chunk.messages)
        self._put_bytes += chunk.payload_bytes
        self._queue.put(chunk)

    def take(self, timeout_s: float = 0) -> Chunk | None:
        """Return the oldest chunk, None if there is none in time; the worker's side."""
        try:
            chunk = self._queue.get(timeout_s > 0, max(0.0, timeout_s))
        except Empty:
            return None
        self._taken += len(chunk.messages)
        self._taken_bytes += chunk.payload_bytes
        return chunk
