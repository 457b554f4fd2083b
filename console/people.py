"""Who is asking: the name that goes into an alert's history."""

from __future__ import annotations

from typing import Any


def name_of(user: Any) -> str:
    """Return "张三 (zhang)" as far as the account says it: the history must name one account."""
    full = str(user.get_full_name())
    return f"{full} ({user.get_username()})" if full else str(user.get_username())
