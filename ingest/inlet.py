"""Inlet: the bounded queue between the network thread and the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ingest.columns import Message

if TYPE_CHECKING:
    from ingest.connection import Connection

# Topics that nobody has registered must not fill the memory.
MOST_CACHED = 200_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one connection brought in one go."""

    connection: Connection
    messages: list[Message]
    payload_bytes: int


class Inlet:
    """One thread puts, one takes, so the counters need no lock: each has a single writer.

    It never refuses what was already read; `has_room` tells the network thread to stop reading.  Who takes gets one
    message of each sender in turn, those of one sender in order: a backlog does not keep the others waiting.
    """

    def __init__(
        self, most_messages: int, most_bytes: int, sender: Callable[[str], str] = lambda topic: topic
    ) -> None:
        self.most_messages, self.most_bytes = most_messages, most_bytes
        self._sender = sender
        self._queue: SimpleQueue[Chunk] = SimpleQueue()
        self._waiting: dict[str, deque[tuple[Connection, Message]]] = {}
        self._senders: dict[str, str] = {}
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

    def take(
        self, timeout_s: float = 0, most_messages: int = 1 << 30, most_bytes: int = 1 << 60
    ) -> Chunk | None:
        """Return messages of one connection, None if there are none in time; the worker's side.

        No more than asked for, but for the last message's bytes.
        """
        self._sort_in(0 if self._waiting else timeout_s)
        if not self._waiting:
            return None
        connection = next(iter(self._waiting.values()))[0][0]
        taken: list[Message] = []
        n_bytes = 0
        while self._waiting and len(taken) < most_messages and n_bytes < most_bytes:
            sender, queue = next(iter(self._waiting.items()))
            if queue[0][0] is not connection:
                break
            message = queue.popleft()[1]
            taken.append(message)
            n_bytes += len(message.payload)
            # To the end of the round, or out of it.
            del self._waiting[sender]
            if queue:
                self._waiting[sender] = queue
        self._taken += len(taken)
        self._taken_bytes += n_bytes
        return Chunk(connection, taken, n_bytes)

    def _sort_in(self, timeout_s: float) -> None:
        """Give what the network thread has put to its senders' queues."""
        while True:
            try:
                chunk = self._queue.get(timeout_s > 0, max(0.0, timeout_s))
            except Empty:
                return
            timeout_s = 0
            for message in chunk.messages:
                sender = self._senders.get(message.topic)
                if sender is None:
                    sender = self._learn(message.topic)
                queue = self._waiting.get(sender)
                if queue is None:
                    queue = self._waiting[sender] = deque()
                queue.append((chunk.connection, message))

    def _learn(self, topic: str) -> str:
        if len(self._senders) >= MOST_CACHED:
            self._senders.clear()
        sender = self._senders[topic] = self._sender(topic)
        return sender
