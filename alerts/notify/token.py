"""An access token that a provider gives for two hours, or takes back early; fetched when needed, by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from core.time import clock_ns, seconds

# A token that is about to end may end on its way.
_MARGIN_S = 60.0


class Token:
    """One cached token.  fetch : () -> (token, seconds it is good for); raises ChannelError."""

    def __init__(
        self, fetch: Callable[[], Awaitable[tuple[str, float]]], clock: Callable[[], int] = clock_ns
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._token, self._until = "", 0
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """Return a token that is good as far as we know."""
        async with self._lock:
            if self._clock() >= self._until:
                self._token, good_s = await self._fetch()
                self._until = self._clock() + seconds(max(good_s - _MARGIN_S, 1.0))
            return self._token

    def drop(self, token: str) -> None:
        """Forget a token that was refused; of many who were refused with it, one fetches the next."""
        if token == self._token:
            self._until = 0
