"""Agenda: what falls due when; a tick costs what is due, not what is open."""

from __future__ import annotations

import heapq
from collections.abc import Iterator


class Agenda:
    """Keys by the time they fall due; setting a key again moves it, and what was moved is skipped later."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, due: int) -> None:
        """Let a key fall due at `due`, ns; 0 = never."""
        if self._due.get(key, 0) == due:
            return
        if due:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))
            self._tidy()
        else:
            self._due.pop(key, None)

    def take(self, now: int) -> Iterator[str]:
        """Yield and forget the keys that are due at `now`, in order; ties in order of key."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                yield key

    def _tidy(self) -> None:
        """Skipped entries must not outgrow the rest."""
        if len(self._heap) > 2 * len(self._due) + 1000:
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)
