"""Where in a TOML text each value stands: tomllib tells what, never where.

Reads only texts that tomllib has accepted, so it need not diagnose anything.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?P<part>"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*(?P<dot>\.?)""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]+")


def locate(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every table, key and array element, by its path in what tomllib returns.

    `("device", 2, "series", 0, "period_s")` is the first series of the third [[device]].
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """One pass over the text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}  # how often [[path]] has come

    def scan(self) -> dict[Path, int]:
        base: Path = ()
        while self.skip_space() < len(self.text):
            if self.text[self.at] == "[":
                base = self.header()
            else:
                self.pair(base)
        return self.lines

    def skip_space(self) -> int:
        self.at = self.take(_SPACE).end()
        return self.at

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        assert match is not None, f"not TOML at line {self.line()}"
        return match

    def line(self) -> int:
        return bisect_right(self.starts, self.at)

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.line())

    def key(self) -> list[str]:
        """Read a dotted key."""
        parts, more = [], True
        while more:
            match = self.take(_KEY)
            part = match["part"]
            parts.append(tomllib.loads(f"k = {part}")["k"] if part[0] in "\"'" else part)
            self.at, more = match.end(), bool(match["dot"])
        return parts

    def header(self) -> Path:
        """Read [table] or [[table]] and return its path."""
        start, array = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        parts = self.key()
        path: Path = ()
        for part in parts[:-1]:
            path = self.newest((*path, part))
        path = (*path, parts[-1])
        end, self.at = self.at + (2 if array else 1), start
        if array:
            self.note(path)
            self.tables[path] = self.tables.get(path, 0) + 1
        path = self.newest(path)
        self.note(path)
        self.at = end
        return path

    def newest(self, path: Path) -> Path:
        """Return the path, into its newest element if it is an array of tables."""
        return (*path, self.tables[path] - 1) if path in self.tables else path

    def pair(self, base: Path) -> None:
        """Read key = value."""
        self.skip_space()
        start = self.at
        parts = self.key()
        end, self.at = self.at, start
        for depth in range(1, len(parts) + 1):
            self.note((*base, *parts[:depth]))
        self.at = self.text.index("=", end) + 1
        self.skip_space()
        self.value((*base, *parts))

    def value(self, path: Path) -> None:
        """Read one value of any kind."""
        first = self.text[self.at]
        if first == "[":
            self.elements(path)
        elif first == "{":
            self.inline(path)
        else:
            self.at = self.take(_STRING if first in "\"'" else _PLAIN).end()

    def elements(self, path: Path) -> None:
        """Read an array."""
        self.at += 1
        index = 0
        self.skip_space()
        while self.text[self.at] != "]":
            self.note((*path, index))
            self.value((*path, index))
            index += 1
            self.skip_comma()
        self.at += 1

    def inline(self, path: Path) -> None:
        """Read an inline table."""
        self.at += 1
        self.skip_space()
        while self.text[self.at] != "}":
            self.pair(path)
            self.skip_comma()
        self.at += 1

    def skip_comma(self) -> None:
        self.skip_space()
        if self.text[self.at] == ",":
            self.at += 1
            self.skip_space()
