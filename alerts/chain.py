"""Chain: every line of history carries the hash of the line before it; what was altered later no longer fits.

One chain for all that one desk decides, in the order of committing (docs/adr/0005): within it a line that is
missing leaves a hole in `n`, one that was altered has another hash, and one that was moved both.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alerts.changes import Transition


@dataclass(frozen=True, slots=True)
class Link:
    """One line's place in the chain; n counts from 1."""

    n: int
    hash: str


START = Link(0, "")


def canonical(n: int, line: Transition) -> bytes:
    """Return what is hashed of a line: a JSON list of all it says, UTF-8, without blanks; NaN is null."""
    value = None if math.isnan(line.value) else line.value
    said = [
        n, line.alert, line.seq, str(line.cause), str(line.old), str(line.new), int(line.level), line.t, line.now,
        line.by, line.note, value, str(line.stage), line.detail,
    ]  # fmt: skip
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def link(before: Link, line: Transition) -> Link:
    """Return the place of the line that follows `before`: SHA-256 of its hash, a newline, and the content."""
    n = before.n + 1
    return Link(n, hashlib.sha256(before.hash.encode() + b"\n" + canonical(n, line)).hexdigest())


def verify(lines: Iterable[tuple[Transition, Link]], start: Link = START) -> Iterator[str]:
    """Yield what is wrong with stored lines, given in order of `n`; silence means that nothing is."""
    before = start
    for line, found in lines:
        where = f"line {found.n} (alert {line.alert}, {line.seq}. {line.cause})"
        if found.n != before.n + 1:
            lost = "is missing" if found.n == before.n + 2 else f"to {found.n - 1} are missing"
            yield f"line {before.n + 1} {lost}" if found.n > before.n else f"{where}: stands there twice"
            # What follows a hole cannot be held against what is not there.
            before = found
            continue
        expected = link(before, line)
        if expected.hash != found.hash:
            yield f"{where}: altered, or the line before it was"
        before = found
