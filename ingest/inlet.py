"""Inlet: the bounded queue between the network thread and the worker."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
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

    It never refuses what was already read; `has_room` tells the network thread to stop reading.  What waits is taken
    in rounds, of each sender one message and those of one sender in order: a backlog does not keep the others waiting.
    """

    def __init__(
        self, most_messages: int, most_bytes: int, sender: Callable[[str], str] = lambda topic: topic
    ) -> None:
        self.most_messages, self.most_bytes = most_messages, most_bytes
        self._sender = sender
        self._queue: SimpleQueue[Chunk] = SimpleQueue()
        self._chunks: deque[Chunk] = deque()  # off the queue, not yet dealt out into rounds
        self._connection: Connection  # that brought what is in the rounds
        self._rounds: deque[list[Message]] = deque()
        self._first = 0  # number of the first round that is not all taken
        self._next: dict[str, int] = {}  # number of the round that a sender's next message goes to
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
        self._collect(0 if self._rounds or self._chunks else timeout_s)
        if not self._rounds and not self._chunks:
            return None
        if not self._rounds:
            self._connection = self._chunks[0].connection
        mine = [chunk for chunk in self._chunks if chunk.connection is self._connection]
        # Nearly always there is room for all; then nobody keeps anybody waiting, and the order need not change.
        if not self._rounds and _fits(mine, most_messages, most_bytes):
            taken = mine[0].messages if len(mine) == 1 else [m for chunk in mine for m in chunk.messages]
            n_bytes = sum(chunk.payload_bytes for chunk in mine)
        else:
            for chunk in mine:
                self._deal(chunk.messages)
            taken, n_bytes = self._take_rounds(most_messages, most_bytes)
        for _ in mine:  # those of a later connection lie behind them
            self._chunks.popleft()
        self._taken += len(taken)
        self._taken_bytes += n_bytes
        return Chunk(self._connection, taken, n_bytes)

    def _collect(self, timeout_s: float) -> None:
        """Take what the network thread has put off the queue."""
        try:
            self._chunks.append(self._queue.get(timeout_s > 0, max(0.0, timeout_s)))
            while True:
                self._chunks.append(self._queue.get_nowait())
        except Empty:
            return

    def _deal(self, messages: list[Message]) -> None:
        """Give each message its place in a round."""
        rounds, next_, first = self._rounds, self._next, self._first
        for message in messages:
            sender = self._senders.get(message.topic) or self._learn(message.topic)
            number = max(next_.get(sender, first), first)
            next_[sender] = number + 1
            if number - first == len(rounds):
                rounds.append([])
            rounds[number - first].append(message)

    def _take_rounds(self, most_messages: int, most_bytes: int) -> tuple[list[Message], int]:
        taken: list[Message] = []
        n_bytes = 0
        while self._rounds and len(taken) < most_messages and n_bytes < most_bytes:
            part = self._rounds[0][: most_messages - len(taken)]
            sizes = list(accumulate(len(message.payload) for message in part))
            n = min(len(part), bisect_left(sizes, most_bytes - n_bytes) + 1)
            taken += part[:n]
            n_bytes += sizes[n - 1]
            if n < len(self._rounds[0]):
                self._rounds[0] = self._rounds[0][n:]
            else:
                self._rounds.popleft()
                self._first += 1
        if not self._rounds:
            self._next.clear()
        elif len(self._next) > MOST_CACHED:  # most of these have nothing here any more
            self._next = {sender: number for sender, number in self._next.items() if number > self._first}
        return taken, n_bytes

    def follow(self, sender: Callable[[str], str]) -> None:
        """Tell senders by other rules from now on; the worker's side."""
        self._sender, self._senders = sender, {}

    def _learn(self, topic: str) -> str:
        if len(self._senders) >= MOST_CACHED:
            self._senders.clear()
        sender = self._senders[topic] = self._sender(topic)
        return sender


def _fits(chunks: Sequence[Chunk], most_messages: int, most_bytes: int) -> bool:
    """Return whether no part of the chunks has to wait."""
    n_messages = sum(len(chunk.messages) for chunk in chunks)
    return n_messages <= most_messages and sum(chunk.payload_bytes for chunk in chunks) <= most_bytes
