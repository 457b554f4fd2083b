"""Duty: who has a role for an enterprise or an area at a time; the rota answers, or else the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.catalog import Contact

FOR_EVER = 1 << 62


class Duty(Protocol):
    """Laws: the same question at the same `now` has the same answer; answers hold until `until(now)`."""

    def who(self, role: str, *, enterprise: int = 0, area: int = 0, now: int = 0) -> Sequence[Contact]:
        """Return who has a role in an enterprise, or in exactly this area; empty = nobody has.

        Give either; the other is 0.  now : ns
        """
        ...

    def until(self, now: int) -> int:
        """Return when the next answer may differ, ns > now; FOR_EVER for never."""
        ...
