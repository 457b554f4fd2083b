"""Holding: messages that mean nothing alone, whose acknowledgement waits for the others (packets of HJ 212).

A message that is only in our memory must not be acknowledged.  What is held is not acknowledged with its batch, but
with the batch in which it is released; the broker sends it again to whoever comes after us.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.columns import Message


@dataclass(slots=True)
class Holding:
    """Who is held, by identity; a message may be held for several reasons, and is free when the last one is gone.

    most : so many may be held: a broker sends only so much that is not acknowledged
    """

    most: int = 1_000
    _held: dict[int, tuple[Message, int]] = field(default_factory=dict)
    _fresh: list[Message] = field(default_factory=list)
    _free: list[Message] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def full(self) -> bool:
        """Whether no other message may be held."""
        return len(self._held) >= self.most

    def hold(self, message: Message) -> None:
        """Keep back the acknowledgement of a message of this batch."""
        _, n = self._held.get(id(message), (message, 0))
        if not n:
            self._fresh.append(message)
        self._held[id(message)] = message, n + 1

    def release(self, message: Message) -> None:
        """Let a message be acknowledged with this batch, behind those released before."""
        _, n = self._held.pop(id(message))
        if n > 1:
            self._held[id(message)] = message, n - 1
        else:
            self._free.append(message)

    def changes(self) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
        """Return (held, released) since the last call; a message may be in both."""
        changes = tuple(self._fresh), tuple(self._free)
        self._fresh, self._free = [], []
        return changes
