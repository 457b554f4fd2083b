"""`{% load fengsui %}`: an alert's words, in the reader's language."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

from console import words

register = template.Library()
register.filter("subject", words.subject)
register.filter("enterprise", words.enterprise)
register.filter("title", words.title)
register.filter("advice", words.advice)
register.filter("reading", words.reading)
register.filter("number", words.number)
register.filter("role", words.role)


@register.filter
def level_word(level: int) -> str:
    return str(words.LEVEL.get(level, "—"))


@register.filter
def level_mark(level: int) -> str:
    """One character: a colour alone is lost on one reader in twelve."""
    return str(words.LEVEL.get(level, "—"))[:1]


@register.filter
def colour(level: int) -> str:
    return words.COLOUR.get(level, "none")


@register.filter
def state_word(state: str) -> str:
    return str(words.STATE.get(state, state))


@register.filter
def stage_word(stage: str) -> str:
    return str(words.STAGE.get(stage, stage))


@register.filter
def cause_word(cause: str) -> str:
    return str(words.CAUSE.get(cause, cause))


@register.filter
def sent_word(state: str) -> str:
    return str(words.SENT.get(state, state))


@register.filter
def kind_word(kind: str) -> str:
    return str(words.KIND.get(kind, kind))


@register.filter
def named(row: dict[str, str]) -> str:
    """Return the enterprise of a gateway's row."""
    return row["enterprise_zh"] if words.chinese() else row["enterprise_en"]


@register.filter
def ago(moment: datetime | None) -> str:
    """Return how long ago, in one unit: what counts at a glance."""
    return words.span(timezone.now() - moment) if moment else "—"


@register.filter
def unlocal(value: float) -> str:
    """Return a number as SVG wants it, whatever the language does with decimal points."""
    return f"{value:g}"


@register.filter
def late(asked: datetime) -> bool:
    """Has a command waited longer than a living pipeline lets it?"""
    return timezone.now() - asked > timedelta(seconds=15)
