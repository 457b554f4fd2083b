"""Titles and advice of the rules in force, for whoever reads alerts: pages, API, dashboards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import psycopg

# A rule is known by its code; what has not changed is not written again.
_WRITE = """
INSERT INTO rule_words AS old (code, title_zh, title_en, advice_zh, advice_en) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (code) DO UPDATE SET title_zh = excluded.title_zh, title_en = excluded.title_en,
    advice_zh = excluded.advice_zh, advice_en = excluded.advice_en
WHERE (old.title_zh, old.title_en, old.advice_zh, old.advice_en)
    IS DISTINCT FROM (excluded.title_zh, excluded.title_en, excluded.advice_zh, excluded.advice_en)
"""


class Worded(Protocol):
    """What a rule says to people, in two languages; advice may be empty."""

    @property
    def code(self) -> str: ...
    @property
    def title_zh(self) -> str: ...
    @property
    def title_en(self) -> str: ...
    @property
    def advice_zh(self) -> str: ...
    @property
    def advice_en(self) -> str: ...


def write(connection: psycopg.Connection[Any], rules: Iterable[Worded]) -> None:
    """Keep the words of these rules; those of others stay."""
    rows = [(one.code, one.title_zh, one.title_en, one.advice_zh, one.advice_en) for one in rules]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_WRITE, rows)
