"""Routes file: YAML as text in, a Tree out; what is not understood is refused with its line and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from datetime import time
from enum import StrEnum
from typing import Any, NoReturn

import yaml

from alerts.tree import TABLE, Match, Node, Receivers, Tree, Window
from core.errors import ConfigError
from core.levels import Level
from registry.words import Profile, Role

COMPETENT = "competent"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NODE_KEYS = ("name", "match", "to", "channels", "n_channels", "continue", "routes")
_TO_KEYS = ("table", "role", "area_role", "contact", "department")


def read_routes(text: str, file: str, *, channels: frozenset[str] = frozenset()) -> Tree:
    """Return the tree of a routes file (docs/alerts.md has the form).

    file : its name, for complaints · channels : names that the configuration has; empty = any is good
    Raises ConfigError naming file, line, what was expected and the remedy.
    """
    return _Reader(file, channels).tree(text)


class _Reader:
    def __init__(self, file: str, channels: frozenset[str]) -> None:
        self.file, self.channels = file, channels
        self.departments: dict[str, tuple[str, ...]] = {}

    def tree(self, text: str) -> Tree:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(
                f"{self.file}:{line}",
                f"is no YAML: {error.problem}",
                "Compare with the example in docs/alerts.md",
            ) from error
        if root is None:
            return Tree()
        top = self.table(root, ("routes", "departments", "default"))
        for key, node in self.pairs(top.get("departments")):
            self.departments[key] = self.texts(node)
        default = self.receivers(top["default"]) if "default" in top else TABLE
        routes = tuple(self.route(node) for node in self.items(top.get("routes")))
        return Tree(routes, default=default, departments=self.departments)

    def route(self, node: yaml.Node) -> Node:
        found = self.table(node, _NODE_KEYS)
        where = self.where(node)
        to = self.receivers(found["to"]) if "to" in found else None
        children = tuple(self.route(child) for child in self.items(found.get("routes")))
        return Node(
            name=self.text(found["name"]) if "name" in found else f"line {node.start_mark.line + 1}",
            match=self.match(found["match"]) if "match" in found else Match(),
            to=to,
            channels=self.known_channels(found.get("channels")),
            n_channels=self.number(found["n_channels"], 1, 9) if "n_channels" in found else 0,
            go_on=self.flag(found["continue"]) if "continue" in found else False,
            children=children,
            where=where,
        )

    def match(self, node: yaml.Node) -> Match:
        wanted: dict[str, tuple[str, Callable[[yaml.Node], Any]]] = {
            "area": ("areas", self.names),
            "enterprise": ("enterprises", self.names),
            "grade": ("grades", self.grades),
            "profile": ("profiles", lambda n: self.words(n, Profile)),
            "rule": ("rules", self.names),
            "level": ("levels", self.levels),
            "data_quality": ("data_quality", self.flag),
            "department": ("departments", self.names),
            "time": ("windows", self.windows),
            "weekday": ("weekdays", self.weekdays),
        }
        found = self.table(node, tuple(wanted))
        return Match(**{wanted[key][0]: wanted[key][1](value) for key, value in found.items()})

    def receivers(self, node: yaml.Node) -> Receivers:
        """Read `table`, one receiver, or a list of them."""
        if isinstance(node, yaml.ScalarNode):
            if node.value != "table":
                self.refuse(
                    node, f"{node.value!r} names nobody", "Write `table`, or a list such as - role: principal"
                )
            return TABLE
        named: dict[str, list[str]] = {key: [] for key in _TO_KEYS}
        for item in self.items(node) if isinstance(node, yaml.SequenceNode) else (node,):
            for key, value in self.table(item, _TO_KEYS).items():
                named[key] += self.receiver(key, value)
        if not any(named.values()):
            self.refuse(node, "names nobody", f"Name one of {', '.join(_TO_KEYS)}")
        return Receivers(
            table=named["table"] == ["true"],
            roles=tuple(named["role"]),
            area_roles=tuple(named["area_role"]),
            contacts=tuple(named["contact"]),
            departments=tuple(named["department"]),
        )

    def receiver(self, key: str, node: yaml.Node) -> list[str]:
        if key == "table":
            return [str(self.flag(node)).lower()]
        if key in ("role", "area_role"):
            return sorted(self.words(node, Role), key=list(Role).index)
        names = list(self.texts(node))
        if key == "department":
            for name in names:
                if name != COMPETENT and name not in self.departments:
                    near = difflib.get_close_matches(name, [*self.departments, COMPETENT], n=1)
                    remedy = (
                        f"Did you mean {near[0]}?" if near else "Add it to `departments` with its contacts"
                    )
                    self.refuse(node, f"{name!r} is no department of this file", remedy)
        return names

    # ── values ────────────────────────────────────────────────────────────────
    def levels(self, node: yaml.Node) -> frozenset[Level]:
        """Read `red`, `[orange, red]` or `">=orange"`."""
        found: set[Level] = set()
        for text in self.texts(node):
            word = text.removeprefix(">=").strip()
            try:
                level = Level.parse(word)
            except ValueError as wrong:
                self.refuse(node, str(wrong), 'Write red, [orange, red] or ">=orange"')
            found |= {one for one in Level if one >= level} if text.startswith(">=") else {level}
        return frozenset(found)

    def grades(self, node: yaml.Node) -> frozenset[int]:
        return frozenset(int(level) for level in self.levels(node))

    def windows(self, node: yaml.Node) -> tuple[Window, ...]:
        """Read "22:00-06:00", or a list of such."""
        found = []
        for text in self.texts(node):
            parts = text.split("-")
            try:
                begin, end = (time.fromisoformat(part.strip()) for part in parts)
            except ValueError:
                self.refuse(node, f"{text!r} is no time of day", 'Write "22:00-06:00", in quotes')
            if begin == end:
                self.refuse(node, f"{text!r} is empty", "Leave `time` out for the whole day")
            found.append(Window(begin, end))
        return tuple(found)

    def weekdays(self, node: yaml.Node) -> frozenset[int]:
        found = set()
        for text in self.texts(node):
            day = text.lower()[:3]
            if day not in _DAYS:
                self.refuse(node, f"{text!r} is no day", f"Write {', '.join(_DAYS)}")
            found.add(_DAYS.index(day))
        return frozenset(found)

    def known_channels(self, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        names = self.texts(node)
        for name in names:
            if self.channels and name not in self.channels:
                self.refuse(
                    node,
                    f"no channel {name!r} is configured",
                    f"Known are {', '.join(sorted(self.channels))}",
                )
        return names

    def words(self, node: yaml.Node, kind: type[StrEnum]) -> frozenset[Any]:
        """Read words of a closed vocabulary."""
        known = [str(word) for word in kind]
        found = []
        for text in self.texts(node):
            if text not in known:
                near = difflib.get_close_matches(text, known, n=1)
                remedy = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}"
                self.refuse(node, f"{text!r} is no {kind.__name__.lower()}", remedy)
            found.append(kind(text))
        return frozenset(found)

    def names(self, node: yaml.Node) -> frozenset[str]:
        return frozenset(self.texts(node))

    def flag(self, node: yaml.Node) -> bool:
        if self.text(node) not in ("true", "false"):
            self.refuse(node, f"found {node.value!r}, expected true or false", "Write true or false")
        return bool(node.value == "true")

    def number(self, node: yaml.Node, low: int, high: int) -> int:
        text = self.text(node)
        if not text.isdigit() or not low <= int(text) <= high:
            self.refuse(node, f"found {text!r}, expected {low} to {high}", "Write a whole number")
        return int(text)

    def texts(self, node: yaml.Node) -> tuple[str, ...]:
        """Read one text or a list of texts; an empty list would mean nobody, or everything."""
        if isinstance(node, yaml.ScalarNode):
            return (self.text(node),)
        found = tuple(self.text(item) for item in self.items(node))
        if not found:
            self.refuse(node, "is empty", "Name something, or leave the key out")
        return found

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            self.refuse(node, "is no text", "Write one word, in quotes if it has : or # in it")
        return str(node.value).strip()

    def items(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, "is no list", "Begin every entry with -")
        return list(node.value)

    def pairs(self, node: yaml.Node | None) -> Iterable[tuple[str, yaml.Node]]:
        if node is None:
            return ()
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, "is no table", "Write key: value")
        seen: set[str] = set()
        for key, _value in node.value:
            name = self.text(key)
            if name in seen:
                self.refuse(key, f"{name!r} stands there twice", "Remove one of them")
            seen.add(name)
        return [(self.text(key), value) for key, value in node.value]

    def table(self, node: yaml.Node, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        """Read a table with none but these keys."""
        found = dict(self.pairs(node))
        for key, value in found.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                remedy = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}"
                self.refuse(value, f"{key!r} is no key here", remedy)
        return found

    def where(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}"

    def refuse(self, node: yaml.Node, problem: str, remedy: str) -> NoReturn:
        raise ConfigError(self.where(node), problem, remedy)
