"""Links: an address that lets one recipient answer one alert, for a while and without an account; pure.

    BASE/a/ALERT/RECIPIENT/UNTIL/MAC        UNTIL in seconds since 1970, hexadecimal; MAC 128 bits

Whoever holds the link may answer in the recipient's name: it is signed when it is sent, and stands nowhere in
the database.  Looking at the page changes nothing (robots look at links); what answers is the page's own
ticket, good for the same alert and recipient and signed for another purpose.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from urllib.parse import quote

from alerts.changes import Note
from core.time import SECOND

_MAC_BYTES = 16
_LINK, _TICKET = "fengsui link v1", "fengsui ticket v1"


@dataclass(frozen=True, slots=True)
class Pass:
    """Who may answer what, until when (seconds since 1970)."""

    alert: str
    recipient: str
    until_s: int

    def mac(self, key: str) -> str:
        """Return what a link carries as proof."""
        return _mac(key, _LINK, self)

    def genuine(self, key: str, mac: str) -> bool:
        """Was this pass signed with our key?  It may have expired all the same."""
        return bool(key) and hmac.compare_digest(self.mac(key).encode(), mac.encode())

    def ticket(self, key: str) -> str:
        """Return what the page's form carries."""
        return _mac(key, _TICKET, self)

    def admits(self, key: str, ticket: str) -> bool:
        """Does a form come from our page for this pass?"""
        return bool(key) and hmac.compare_digest(self.ticket(key).encode(), ticket.encode())


def _mac(key: str, purpose: str, one: Pass) -> str:
    text = "\0".join((purpose, one.alert, one.recipient, str(one.until_s)))
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()[:_MAC_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs links of notes that are about to be sent.

    base      how phones reach the console, without a slash at the end
    key       the console's secret; "" = nothing is signed, and the page asks for an account
    good_s    how long a link is good, from the decision on: every attempt sends the same text, so that a provider
              can tell repeats
    """

    base: str
    key: str
    good_s: float

    def sign(self, note: Note) -> Note:
        """Return the note with a link for its recipient; one that links to something else is left alone."""
        if not self.key or note.link != f"{self.base}/alerts/{note.alert}":
            return note
        one = Pass(note.alert, note.recipient, int(note.created // SECOND + self.good_s))
        path = "/".join((quote(one.alert, safe=""), quote(one.recipient, safe=""), f"{one.until_s:x}"))
        return replace(note, link=f"{self.base}/a/{path}/{one.mac(self.key)}")
