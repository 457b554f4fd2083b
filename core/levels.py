"""Levels are ordinals, 1 blue to 4 red; the words differ by profile.

The same colour means different words in two systems (一般/较大/重大/特别重大 of emergency plans,
低/一般/较大/重大 of risk warning), so an ordinal is stored and words are rendered.
"""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """How bad it is."""

    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def zh(self) -> str:
        return "蓝黄橙红"[self - 1]

    @property
    def en(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Level:
        """Return the level of `red`, `R`, `红`, `红色` …; raises ValueError naming the four."""
        key = word.strip().lower().removesuffix("色")
        for level in cls:
            if key in (level.en, level.en[0], level.zh):
                return level
        raise ValueError(f"{word!r} is no level: blue, yellow, orange or red")
