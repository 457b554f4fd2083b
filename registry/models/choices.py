"""Vocabularies as Django choices, in the reader's language."""

from __future__ import annotations

from enum import StrEnum

from django.core.validators import RegexValidator
from django.utils.functional import Promise, lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.levels import Level
from registry.words import WORDS

CODE = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    _("Letters, digits, dot, dash and underscore only: a code is part of MQTT topics and links."),
)
LEVELS = [(1, _("Blue")), (2, _("Yellow")), (3, _("Orange")), (4, _("Red"))]
assert [value for value, _word in LEVELS] == list(Level)


def _pick(word: StrEnum) -> str:
    """Return the word in the language of whoever looks."""
    return WORDS[word][0 if (get_language() or "").startswith("zh") else 1]


_word = lazy(_pick, str)


def choices(words: type[StrEnum]) -> list[tuple[str, str | Promise]]:
    """Return [(value, its word)] for a field."""
    return [(word.value, _word(word)) for word in words]
