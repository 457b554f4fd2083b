"""Refusals: what the broker did not let a gateway do, read from nats-server's log.

MQTT 3.1.1 has no answer for "you may not publish this": the broker acknowledges the message, drops it and says so in
its log.  Here it becomes a reject of the gateway's, so that somebody sees it.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from core.reject import Reason, Reject
from core.time import clock_ns
from registry.catalog import Catalog
from registry.credentials import gateway_of

log = structlog.get_logger("refusals")

LOOK_S = 1.0
MOST_BYTES = 4 << 20  # of the log, per look; a flood beyond it is skipped, and said so
MOST_KINDS = 1_000
_LINE = re.compile(
    r'\[ERR\] \S+ - mid:(?P<cid>\d+) - "(?P<client>[^"]*)" - '
    r'(?:(?P<kind>Publish|Subscription) Violation - Subject "(?P<subject>[^"]*)"'
    r'|authentication error - User "(?P<user>[^"]*)")'
)


class Refusal(NamedTuple):
    """One line: `kind` is publish, subscription or authentication; `user` is known for the last one only."""

    kind: str
    cid: int
    client: str
    topic: str
    user: str


def read_line(line: str) -> Refusal | None:
    """Return what a line of nats-server's log says about a refusal, None when it says something else."""
    found = _LINE.search(line)
    if found is None:
        return None
    kind = (found["kind"] or "authentication").lower()
    return Refusal(
        kind, int(found["cid"]), found["client"], mqtt_topic(found["subject"] or ""), found["user"] or ""
    )


def mqtt_topic(subject: str) -> str:
    """Return a subject of NATS as the MQTT topic that it came from."""
    parts = subject.replace("//", "\0").split(".")
    words = {"*": "+", ">": "#", "/": ""}
    return "/".join(words.get(part, part).replace("\0", ".") for part in parts)


class Tail:
    """Reads what is appended to a file that may be put aside and begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rest = b""
        self._inode, self._place = self._end()

    def _end(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_size

    def lines(self) -> tuple[list[str], bool]:
        """Return whole lines that are new, and whether some were skipped because there were too many."""
        inode, size = self._end()
        if inode != self._inode or size < self._place:
            self._inode, self._place, self._rest = inode, 0, b""
        if size <= self._place:
            return [], False
        with self.path.open("rb") as file:
            file.seek(max(self._place, size - MOST_BYTES))
            skipped = size - self._place > MOST_BYTES
            data = (b"" if skipped else self._rest) + file.read(size - file.tell())
        self._place = size
        *whole, self._rest = data.split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole], skipped


@dataclass(frozen=True, slots=True)
class Connections:
    """Whom nats-server knows behind the number of a connection, open or just closed."""

    monitor_url: str

    def user(self, cid: int) -> str:
        """Return the user name, "" when nobody can tell."""
        if not self.monitor_url:
            return ""
        url = f"{self.monitor_url}/connz?cid={cid}&auth=1&state=any"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own broker
                found = json.load(answer)["connections"]
        except (OSError, ValueError, KeyError):
            return ""
        return str(found[0].get("authorized_user", "")) if found else ""


class Refusals(threading.Thread):
    """Looks at the log every second; the worker takes what was found with its next delivery.

    file : None = there is no log to look at
    """

    def __init__(
        self,
        file: Path | None,
        connections: Connections,
        count: Callable[[str, int], None] = lambda _kind, _n: None,
    ) -> None:
        super().__init__(name="refusals", daemon=True)
        self._tail = Tail(file) if file else None
        self._connections, self._count = connections, count
        self._users: dict[int, str] = {}
        self._found: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def stop(self) -> None:
        """End soon."""
        self._ending.set()

    def run(self) -> None:
        while not self._ending.wait(LOOK_S):
            try:
                self.look()
            except OSError as error:
                log.warning("the broker's log cannot be read", error=str(error))

    def look(self) -> None:
        """Take in what is new in the log."""
        if self._tail is None:
            return
        lines, skipped = self._tail.lines()
        found = Counter(refusal for line in lines if (refusal := read_line(line)))
        for refusal, n in found.items():
            self._count(refusal.kind, n)
            if refusal.kind == "publish":
                self._note(refusal, n)
        if skipped:
            log.warning(
                "the broker refuses so much that its log was not read whole", file=str(self._tail.path)
            )

    def _note(self, refusal: Refusal, n: int) -> None:
        user = self._user(refusal.cid)
        with self._lock:
            if len(self._found) < MOST_KINDS:
                self._found[user, refusal.client, refusal.topic] += n

    def _user(self, cid: int) -> str:
        """Return who a connection is; asked once, for it may be gone the next time."""
        if cid not in self._users:
            if len(self._users) >= MOST_KINDS:
                self._users.clear()
            self._users[cid] = self._connections.user(cid)
        return self._users[cid]

    def take(self, catalog: Catalog) -> Sequence[Reject]:
        """Return what was refused since the last call, one reject per gateway and topic."""
        if not self._found:  # the common case takes no lock
            return ()
        with self._lock:
            found, self._found = self._found, Counter()
        return list(_rejects(found.items(), catalog, clock_ns()))


def _rejects(
    found: Iterable[tuple[tuple[str, str, str], int]], catalog: Catalog, now: int
) -> Iterable[Reject]:
    for (user, client, topic), n in found:
        gateway = catalog.gateways.get(gateway_of(user))
        who = user or f"a client that calls itself {client!r}"
        detail = f"{who} may not publish here; the broker dropped {n}"
        yield Reject(gateway.id if gateway else 0, topic, b"", now, Reason.WRONG_OWNER, detail, n)
