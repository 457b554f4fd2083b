"""The words of the pages, in the reader's language."""

from __future__ import annotations

from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from alerts.state import Stage, State
from console.queries import AlertRow
from registry.words import WORDS, Role

Word = str | Promise

LEVEL: dict[int, Word] = {4: _("Red"), 3: _("Orange"), 2: _("Yellow"), 1: _("Blue")}
COLOUR = {4: "red", 3: "orange", 2: "yellow", 1: "blue", 0: "none"}
STATE: dict[str, Word] = {
    State.UNACK: _("Not answered"),
    State.ACKED: _("Answered"),
    State.RTN_UNACK: _("Back to normal, not answered"),
    State.NORMAL: _("Back to normal, to be closed"),
}
CAUSE: dict[str, Word] = {
    "open": _("Alert opened"),
    "raise": _("Condition came again"),
    "clear": _("Condition went away"),
    "ack": _("Answered"),
    "hand_on": _("Handed on"),
    "level": _("Level changed"),
    "reopen": _("Came again after closing"),
    "escalate": _("Told the next tier"),
    "unreached": _("Nobody was reached"),
    "handle": _("Taken on"),
    "feedback": _("Reported"),
    "false_alarm": _("Reported as a false alarm"),
    "reject": _("Sent back to handling"),
    "overdue": _("Feedback overdue"),
    "accept": _("Accepted and closed"),
    "merge": _("Merged into another"),
    "absorb": _("Goes on for another"),
    "exercise": _("Marked as an exercise"),
    "close": _("Closed"),
}
STAGE: dict[str, Word] = {
    Stage.NEW: _("to be handled"),
    Stage.HANDLING: _("being handled"),
    Stage.REVIEW: _("waits for review"),
    Stage.CLOSED: _("closed"),
}
SENT: dict[str, Word] = {
    "todo": _("waiting"),
    "leased": _("being sent"),
    "sent": _("sent"),
    "dead": _("given up"),
}
KIND: dict[str, Word] = {
    "ack": _("Acknowledge"),
    "hand_on": _("Hand on"),
    "handle": _("Take on"),
    "feedback": _("Report"),
    "false_alarm": _("False alarm"),
    "accept": _("Accept"),
    "reject": _("Send back"),
    "close": _("Close"),
}


def chinese() -> bool:
    """Does the reader read Chinese?"""
    return (get_language() or "").startswith("zh")


def subject(row: AlertRow) -> str:
    """Return what it is about: "1号除尘器 灰斗温度"."""
    return (row.name_zh if chinese() else row.name_en) or gettext("no longer in the registry")


def enterprise(row: AlertRow) -> str:
    """Return whose it is."""
    return row.enterprise_zh if chinese() else row.enterprise_en


def title(row: AlertRow) -> str:
    """Return the title of its rule; of a rule that nobody knows, the code."""
    # In messages it stands within a line: "limit exceeded".
    return row.title_zh if chinese() else row.title_en[:1].upper() + row.title_en[1:]


def advice(row: AlertRow) -> str:
    """Return what its rule advises, "" where it does not."""
    return row.advice_zh if chinese() else row.advice_en


def role(code: str) -> str:
    """Return the word of a role."""
    return WORDS[Role(code)][0 if chinese() else 1] if code in set(Role) else code


def number(value: float | None) -> str:
    """Return a value as people write it: `85.3`, `1250000`."""
    if value is None:
        return "—"
    return f"{value:.12g}" if value.is_integer() and abs(value) < 1e12 else f"{value:.5g}"


def span(elapsed: timedelta) -> str:
    """Return a duration in its largest unit: what counts at a glance."""
    seconds = max(int(elapsed.total_seconds()), 0)
    if seconds < 60:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    if seconds < 3600:
        return ngettext("%(n)d minute", "%(n)d minutes", seconds // 60) % {"n": seconds // 60}
    if seconds < 86_400:
        hours, minutes = divmod(seconds // 60, 60)
        return gettext("%(h)d h %(m)d min") % {"h": hours, "m": minutes}
    return ngettext("%(n)d day", "%(n)d days", seconds // 86_400) % {"n": seconds // 86_400}


def reading(row: AlertRow) -> str:
    """Return the value and what it was held against: "73.2 ℃ > 70 ℃"; of silence, how long."""
    if row.value is None:
        return ""
    if row.data_quality and row.unit == "s":
        return gettext("no data for %(span)s") % {"span": span(timedelta(seconds=row.value))}
    value = f"{number(row.value)} {row.unit}".strip()
    if row.limit is None:
        return value
    sign = ">" if row.value >= row.limit else "<"
    return f"{value} {sign} {number(row.limit)} {row.unit}".strip()
