"""Pointer: RFC 6901 JSON pointers, and `*` for every member of an array or object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Place(NamedTuple):
    """A place: what stands for the wildcards, what is there, and what is around it, from the inside out."""

    keys: Pointer
    node: Any
    around: tuple[Any, ...] = ()


def seek(node: Any, around: tuple[Any, ...], pointer: Pointer) -> Any:
    """Return what a pointer without wildcards names in a place, else in what is around it; MISSING for nothing."""
    found = find(node, pointer)
    for outer in around:
        if found is not MISSING:
            break
        found = find(outer, pointer)
    return found


def is_open(pointer: Pointer) -> bool:
    """Whether a pointer has wildcards: `*`, or `*2` for what stands for the second one of another pointer."""
    return any(token == EVERY or _nth(token) for token in pointer)


def bound(pointer: Pointer, keys: Pointer) -> Pointer:
    """Return a pointer with the keys in the places of its wildcards: one after the other, or `*2` the second."""
    rest = iter(keys)
    return tuple(
        next(rest, token)
        if token == EVERY
        else "".join(keys[n - 1 : n]) or token
        if (n := _nth(token))
        else token
        for token in pointer
    )


def _nth(token: str) -> int:
    """Return 2 for `*2`, 0 for what is no such wildcard."""
    return int(token[1]) if len(token) == 2 and token[0] == EVERY and token[1] in "123456789" else 0


def walk(node: Any, pointer: Pointer) -> Iterator[tuple[Pointer, Any]]:
    """Yield (names that stand for the wildcards, what is there), of at most MOST_PLACES places."""
    for place in places(Place((), node), pointer):
        yield place.keys, place.node


def places(place: Place, pointer: Pointer) -> Iterator[Place]:
    """Yield the places below one, of at most MOST_PLACES; their keys are those of this pointer."""
    yield from _places(place.node, pointer, (), place.around, [MOST_PLACES])


def _places(
    node: Any, pointer: Pointer, keys: Pointer, around: tuple[Any, ...], budget: list[int]
) -> Iterator[Place]:
    for at, token in enumerate(pointer):
        around = (node, *around)
        if token == EVERY:
            members = (
                enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
            )
            for name, member in members:
                if budget[0] < 0:
                    return
                yield from _places(member, pointer[at + 1 :], (*keys, str(name)), around, budget)
            return
        node = find(node, (token,))
    budget[0] -= 1
    if node is not MISSING and budget[0] >= 0:
        yield Place(keys, node, around)
