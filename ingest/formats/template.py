"""Template: where a name or a time of a message comes from; docs/wire.md §9.

"/a/b"              what that pointer leads to, of any type; with a * also in what is around the place
"{/a}-{*}"          a text made of parts, each looked for in the place and in what is around it:
                    {/a} a pointer   {*} what stands for the wildcards, {*1} for the first   {level} of the topic
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.formats.pointer import MISSING, Place, Pointer, bound, find, is_open, parse, seek

_PART = re.compile(r"\{([^{}]*)\}")
_KEY = re.compile(r"\*(\d?)")


@dataclass(frozen=True, slots=True)
class Template:
    """See the module.

    bare    the pointer, when it is one without wildcards and nothing else; such a one is fast
    parts   ("text", words), ("at", pointer), ("key", number or "") or ("level", name)
    """

    parts: tuple[tuple[str, Any], ...]
    bare: Pointer | None = None

    def value(self, place: Place, levels: Mapping[str, str]) -> Any:
        """Return what it says at a place, MISSING when a part of it is not there."""
        if self.bare is not None:
            return find(place.node, self.bare)
        found = [_found(kind, what, place, levels) for kind, what in self.parts]
        if len(found) == 1:
            return found[0]
        words = [word(one) for one in found]
        return "".join(words) if all(words) else MISSING


def parse_template(text: str) -> Template:
    """Return a template; raises ValueError."""
    if not text or text.startswith("/"):
        pointer = parse(text)
        return Template((("at", pointer),), None if is_open(pointer) else pointer)
    pieces = _PART.split(text)
    if len(pieces) == 1:
        raise ValueError(f"{text!r} is no pointer: it begins with /, or has parts in braces")
    parts = [("text", piece) if n % 2 == 0 else _part(piece) for n, piece in enumerate(pieces)]
    return Template(tuple(part for part in parts if part != ("text", "")))


def _part(inner: str) -> tuple[str, Any]:
    if not inner or inner.startswith("/"):
        return "at", parse(inner)
    match = _KEY.fullmatch(inner)
    return ("key", match[1]) if match else ("level", inner)


def _found(kind: str, what: Any, place: Place, levels: Mapping[str, str]) -> Any:
    if kind == "at":
        return seek(place.node, place.around, bound(what, place.keys))
    if kind == "key":
        keys = place.keys[int(what) - 1 : int(what)] if what else place.keys
        return "/".join(keys) if keys else MISSING
    return what if kind == "text" else levels.get(what, MISSING)


def word(found: Any) -> str:
    """Return a name that was found as a text, "" for none; a whole number is a name too."""
    if isinstance(found, str):
        return found if found.isspace() else found.strip()
    whole = isinstance(found, int) and not isinstance(found, bool) and abs(found) < 1 << 64
    return str(found) if whole else ""
