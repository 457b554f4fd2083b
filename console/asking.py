"""What an officer may ask of the desk about an alert, and how a form says it: 响应 → 处置 → 反馈 → 审核 → 消警.

The page offers what the desk would not refuse; the desk alone decides (alerts/handling.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from alerts.changes import CommandKind
from alerts.state import NEXT_STAGE, UNANSWERED, Deed, Stage
from console.queries import AlertRow

_NOTE_CHARS = 500
# What may be asked of one alert here; the rest (merge, shelve, maintenance) is asked on the command line.
_DEEDS = (Deed.HANDLE, Deed.FEEDBACK, Deed.FALSE_ALARM, Deed.ACCEPT, Deed.REJECT, Deed.CLOSE)


class Missing(ValueError):  # noqa: N818 - an answer to a person, not a fault
    """A form lacks something; the text says what, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A command before it is written.  detail: a JSON object, "" for nothing."""

    kind: CommandKind
    note: str
    detail: str = ""


def offered(row: AlertRow, by: str, *, short_close: int) -> frozenset[CommandKind]:
    """Return what somebody may ask about an alert now.

    short_close : the highest level of plant alerts that is closed without feedback and review
    """
    stage = Stage(row.stage)
    found = {CommandKind(deed) for deed in _DEEDS if NEXT_STAGE[stage, deed] is not None}
    if row.state in UNANSWERED and stage != Stage.CLOSED:
        found.add(CommandKind.ACK)
    if not row.data_quality and row.level > short_close:
        found.discard(CommandKind.CLOSE)
    if by.casefold() in (row.handler.casefold(), row.reported_by.casefold()):
        found -= {CommandKind.ACCEPT, CommandKind.REJECT}
    return frozenset(found)


def wish_of(form: Mapping[str, str]) -> Wish:
    """Return what a form asks.  Raises Missing."""
    kind, note = form.get("kind", ""), form.get("note", "").strip()[:_NOTE_CHARS]
    match kind:
        case CommandKind.ACK | CommandKind.ACCEPT:
            return Wish(CommandKind(kind), note)
        case CommandKind.HANDLE:
            return Wish(CommandKind.HANDLE, note, detail_of(handler=_text(form, "handler")))
        case CommandKind.FEEDBACK:
            said = {
                "measure": _needed(form, "measure", _("what was done")),
                "done": _moment(form.get("done", "")).isoformat(),
                "proof": _needed(form, "proof", _("where the evidence is: a picture, a reading, a document")),
            }
            return Wish(CommandKind.FEEDBACK, note, detail_of(**said))
        case CommandKind.FALSE_ALARM:
            return Wish(CommandKind.FALSE_ALARM, _reason(note), detail_of(proof=_text(form, "proof")))
        case CommandKind.REJECT:
            return Wish(CommandKind.REJECT, _reason(note))
        case CommandKind.CLOSE:
            if not note:
                raise Missing(_("To close an alert, write what was found and done."))
            return Wish(CommandKind.CLOSE, note)
    raise Missing(_("Choose one of the buttons."))


def _text(form: Mapping[str, str], name: str) -> str:
    return form.get(name, "").strip()[:_NOTE_CHARS]


def _needed(form: Mapping[str, str], name: str, words: str) -> str:
    found = _text(form, name)
    if not found:
        raise Missing(_("Write %(what)s.") % {"what": words})
    return found


def _reason(note: str) -> str:
    if not note:
        raise Missing(_("Write the reason."))
    return note


def _moment(text: str) -> datetime:
    """Return a time as a browser gives it, of our zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Missing(_("Write when it was complete.")) from None
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def detail_of(**said: str) -> str:
    """Return what a command needs beside its note, without what was left empty."""
    filled = {name: words for name, words in said.items() if words}
    return json.dumps(filled, ensure_ascii=False, sort_keys=True) if filled else ""
