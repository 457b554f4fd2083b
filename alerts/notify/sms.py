"""What both SMS channels share: the number, and the template's variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from alerts.changes import Note
from alerts.message import cut_chars, facts
from alerts.notify.contract import ChannelError, ErrorKind
from alerts.notify.http import mask

_MOBILE = re.compile(r"(?:\+?86)?(1\d{10})")


def mobile(note: Note) -> str:
    """Return the eleven digits of a mainland number; raises ChannelError when the address is none."""
    found = _MOBILE.fullmatch(note.address.replace(" ", "").replace("-", ""))
    if not found:
        raise ChannelError(ErrorKind.FALLBACK, "no_mobile", "the contact's address is no mobile number")
    return found[1]


def variables(note: Note, params: Mapping[str, str], limit: int) -> dict[str, str]:
    """Return variable -> text for a template, each at most `limit` characters; none is empty."""
    known = facts(note)
    return {name: cut_chars(mask(known[fact]), limit) or "-" for name, fact in params.items()}
