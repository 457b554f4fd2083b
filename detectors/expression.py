"""Expressions over the signals of one subject: three-valued, in event time.  The language: docs/rules.md.

A value is a float64 column; a condition is one of 1 (true), 0 (false), NaN (unknown). Unknown is neither: `and`
is false if one side is false, `or` is true if one side is true, and whatever else meets unknown is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from detectors.logic import FUNCTIONS

UNITS_S = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z_0-9]*)|(?P<mark><=|>=|==|!=|[-+*/(),<>]))"
)
_WORDS = {"and", "or", "not", "for", "since", "before", "by", "true", "false"}


class ExpressionError(ValueError):
    """An expression cannot be read; `at` is the place in its text."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        super().__init__(f"{problem} at column {at + 1} of `{text}`")
        self.at = at


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: `op`, its operands, and what belongs to it (a number or a name).

    memory   which run of a condition it remembers, -1: none
    """

    op: str
    of: tuple[Node, ...] = ()
    value: float = math.nan
    name: str = ""
    memory: int = -1


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    text      as written · names: the signals and parameters it speaks of, in order of appearance
    calls     statistics of signals: name of the column -> (method, signal, arguments); a word is a parameter's name
    durations those of the names that say how long: parameters, in seconds
    sets      where `any_of(…)` stands in the text (from, to), and the signal in it
    n_memories, n_learned  how many runs of conditions, and how many baselines, it remembers per subject
    """

    text: str
    root: Node
    names: tuple[str, ...]
    calls: Mapping[str, tuple[str, str, tuple[float | str, ...]]]
    n_memories: int
    n_learned: int
    durations: frozenset[str] = frozenset()
    sets: tuple[tuple[int, int, str], ...] = ()

    def spread(self, members: Mapping[str, Sequence[str]]) -> str:
        """Return the text with each `any_of(x)` written out for the members of its set: `(x or x_2)`."""
        text = self.text
        for begin, end, signal in reversed(self.sets):
            inner = text[begin:end].partition("(")[2][:-1]
            each = [re.sub(rf"\b{re.escape(signal)}\b", name, inner) for name in members[signal]]
            text = f"{text[:begin]}({' or '.join(each)}){text[end:]}"
        return text


@dataclass(slots=True)
class _Parser:
    text: str
    methods: frozenset[str]
    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    place: int = 0
    names: dict[str, None] = field(default_factory=dict)
    calls: dict[str, tuple[str, str, tuple[float | str, ...]]] = field(default_factory=dict)
    durations: set[str] = field(default_factory=set)
    sets: list[tuple[int, int, str]] = field(default_factory=list)
    n_memories: int = 0
    n_learned: int = 0

    def read(self) -> Expression:
        self._split()
        root = self._or()
        if self._peek()[0] != "end":
            self._fail(f"`{self._peek()[1]}` is left over")
        return Expression(
            self.text,
            root,
            tuple(self.names),
            dict(self.calls),
            self.n_memories,
            self.n_learned,
            frozenset(self.durations),
            tuple(self.sets),
        )

    def _split(self) -> None:
        at = 0
        while at < len(self.text.rstrip()):
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise ExpressionError(f"`{self.text[at:].strip()[:1]}` is not understood", self.text, at)
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            at = match.end()
        self.tokens.append(("end", "the end", len(self.text)))

    def _peek(self) -> tuple[str, str, int]:
        return self.tokens[self.place]

    def _take(self, *wanted: str) -> str | None:
        """Consume the next token if it is one of the wanted ones."""
        kind, text, _ = self._peek()
        if kind != "number" and text in wanted:
            self.place += 1
            return text
        return None

    def _expect(self, wanted: str) -> None:
        if self._take(wanted) is None:
            self._fail(f"`{wanted}` expected, `{self._peek()[1]}` found")

    def _fail(self, problem: str) -> NoReturn:
        raise ExpressionError(problem, self.text, self._peek()[2])

    def _memory(self) -> int:
        self.n_memories += 1
        return self.n_memories - 1

    def _or(self) -> Node:
        node = self._and()
        while self._take("or"):
            node = Node("or", (node, self._and()))
        return node

    def _and(self) -> Node:
        node = self._lasting()
        while self._take("and"):
            node = Node("and", (node, self._lasting()))
        return node

    def _lasting(self) -> Node:
        """`condition for 60 s`, `condition before condition by 5 min`."""
        node = self._not()
        while word := self._take("for", "before"):
            if word == "for":
                node = Node("for", (node, self._duration()), memory=self._memory())
                continue
            other = self._not()
            by = self._duration() if self._take("by") else Node("number", value=0.0)
            sides = (Node("since", (side,), memory=self._memory()) for side in (node, other))
            node = Node("before", (*sides, by))
        return node

    def _not(self) -> Node:
        if self._take("not"):
            return Node("not", (self._not(),))
        return self._comparison()

    def _comparison(self) -> Node:
        node = self._sum()
        if mark := self._take("<", "<=", ">", ">=", "==", "!="):
            node = Node(mark, (node, self._sum()))
        return node

    def _sum(self) -> Node:
        node = self._product()
        while mark := self._take("+", "-"):
            node = Node(mark, (node, self._product()))
        return node

    def _product(self) -> Node:
        node = self._atom()
        while mark := self._take("*", "/"):
            node = Node(mark, (node, self._atom()))
        return node

    def _atom(self) -> Node:
        kind, text, _ = self._peek()
        if self._take("-"):
            return Node("neg", (self._atom(),))
        if self._take("("):
            node = self._or()
            self._expect(")")
            return node
        if kind == "number":
            return Node("number", value=self._number())
        if kind == "word" and text in {"true", "false"}:
            self.place += 1
            return Node("number", value=float(text == "true"))
        if kind == "word" and (text not in _WORDS or text == "since"):
            self.place += 1
            return self._named(text)
        return self._fail(f"a value was expected, `{text}` found")

    def _named(self, name: str) -> Node:
        if self._take("(") is None:
            if name == "since":
                self._fail("`since` needs a condition in brackets")
            self.names[name] = None
            return Node("name", name=name)
        if name in self.methods:
            return self._statistic(name)
        if name == "baseline":
            return self._baseline()
        if name == "any_of":
            return self._any_of()
        arguments = [self._or()]
        while self._take(","):
            arguments.append(self._or())
        self._expect(")")
        if name == "since":
            return self._function(name, arguments, 1, memory=self._memory())
        if name not in FUNCTIONS:
            self._fail(
                f"there is no function `{name}`; there are {', '.join(sorted([*FUNCTIONS, *self.methods]))}"
            )
        return self._function(name, arguments, FUNCTIONS[name][0])

    def _baseline(self) -> Node:
        """`baseline(x, use, restart, 8 h)`: the mean of x over the first 8 h of use after the last restart."""
        arguments = []
        for _ in range(3):
            arguments.append(self._or())
            self._expect(",")
        arguments.append(self._duration())
        self._expect(")")
        self.n_learned += 1
        return Node("baseline", tuple(arguments), memory=self.n_learned - 1)

    def _any_of(self) -> Node:
        """`any_of(x)`: x, or x_2, or x_3 … of a device; until it is written out by `spread`, x alone."""
        begin = self.tokens[self.place - 2][2]
        node = self._atom()
        if node.op != "name":
            self._fail("`any_of` takes a signal, or a method of one")
        end = self._peek()[2] + 1
        self._expect(")")
        self.sets.append((begin, end, self.calls[node.name][1] if node.name in self.calls else node.name))
        return node

    def _function(self, name: str, arguments: list[Node], wanted: int, memory: int = -1) -> Node:
        if wanted and len(arguments) != wanted:
            self._fail(f"`{name}` takes {wanted} values, not {len(arguments)}")
        return Node(name, tuple(arguments), memory=memory)

    def _statistic(self, method: str) -> Node:
        """`slope(temperature, 3 min)`: a method of one signal, its parameters in their order: numbers or names."""
        kind, signal, _ = self._peek()
        if kind != "word":
            self._fail(f"`{method}` takes the name of a signal first")
        self.place += 1
        arguments: list[float | str] = []
        while self._take(","):
            arguments.append(self._argument())
        self._expect(")")
        said = [a if isinstance(a, str) else f"{a:g}" for a in arguments]
        name = f"{method}({', '.join([signal, *said])})"
        self.names[name] = None
        self.calls[name] = (method, signal, tuple(arguments))
        return Node("name", name=name)

    def _argument(self) -> float | str:
        """Return a number, or the name of a parameter."""
        kind, text, _ = self._peek()
        if kind == "word" and text not in _WORDS:
            self.place += 1
            return text
        return -self._number() if self._take("-") else self._number()

    def _number(self) -> float:
        """Return a number; followed by a unit of time, in seconds."""
        kind, text, _ = self._peek()
        if kind != "number":
            self._fail(f"a number was expected, `{text}` found")
        self.place += 1
        unit = self._take(*UNITS_S)
        return float(text) * (UNITS_S[unit] if unit else 1.0)

    def _duration(self) -> Node:
        """Return a number with a unit of time, in seconds, or the name of a parameter."""
        kind, text, _ = self._peek()
        if kind == "word" and text not in _WORDS:
            self.place += 1
            self.names[text] = None
            self.durations.add(text)
            return Node("name", name=text)
        if kind != "number" or self.tokens[self.place + 1][1] not in UNITS_S:
            self._fail(f"a duration was expected (`60 s`, `5 min`, a parameter), `{text}` found")
        return Node("number", value=self._number())


def compile_expression(text: str, methods: frozenset[str] = frozenset()) -> Expression:
    """Return the compiled expression; raises ExpressionError with the place of the first thing not understood."""
    return _Parser(text, methods).read()
