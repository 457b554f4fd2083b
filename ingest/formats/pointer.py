"""Pointer: RFC 6901 JSON pointers, and `*` for every member of an array or object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Pointer = tuple[str, ...]
MISSING: Any = object()
EVERY = "*"
# So many places are visited for one pointer: a small message with nested wildcards must not cost seconds.
MOST_PLACES = 5_000


def parse(text: str) -> Pointer:
    """Return a pointer; raises ValueError when it does not begin with a slash ("" is the whole message)."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no pointer: it begins with /")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def find(node: Any, pointer: Pointer) -> Any:
    """Return what a pointer without wildcards names, MISSING when there is nothing."""
    for token in pointer:
        if isinstance(node, dict):
            node = node.get(token, MISSING)
        elif isinstance(node, list) and token.isascii() and token.isdigit() and len(token) < 10:
            place = int(token)
            node = node[place] if place < len(node) else MISSING
        else:
            return MISSING
    return node


def walk(node: Any, pointer: Pointer) -> Iterator[tuple[Pointer, Any]]:
    """Yield (names that stand for the wildcards, what is there), of at most MOST_PLACES places."""
    budget = [MOST_PLACES]
    yield from _walk(node, pointer, (), budget)


def _walk(node: Any, pointer: Pointer, names: Pointer, budget: list[int]) -> Iterator[tuple[Pointer, Any]]:
    if EVERY not in pointer:
        budget[0] -= 1
        found = find(node, pointer)
        if found is not MISSING and budget[0] >= 0:
            yield names, found
        return
    at = pointer.index(EVERY)
    inner, rest = find(node, pointer[:at]), pointer[at + 1 :]
    members = (
        enumerate(inner) if isinstance(inner, list) else inner.items() if isinstance(inner, dict) else ()
    )
    for name, member in members:
        if budget[0] < 0:
            return
        yield from _walk(member, rest, (*names, str(name)), budget)
