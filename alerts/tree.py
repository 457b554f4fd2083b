"""Tree: which routes an alert takes; pure.

Children are asked in order; the first that matches takes the alert, and with `continue` the next ones are asked
as well.  A route without receivers of its own has those of the one above it.  Every matcher is compiled to a
mask with one bit per route, so that an alert costs a handful of AND operations, however many routes there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from core.levels import Level
from core.time import to_datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day, begin included and end not; one that ends before it begins goes over midnight."""

    begin: time
    end: time

    def holds(self, at: time) -> bool:
        """Return whether a local time lies within."""
        if self.begin < self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


@dataclass(frozen=True, slots=True)
class Match:
    """What an alert must be like; an empty matcher takes anything.

    areas, enterprises   codes; an area takes what lies in the areas below it too
    grades        risk grade of the enterprise, 4 = red; 0 = none given
    profiles      kind of device
    rules         codes, * stands for any characters
    departments   competent department of the enterprise, as the registry writes it
    windows, weekdays   local time of the decision, weekday 0 = Monday
    """

    areas: frozenset[str] = frozenset()
    enterprises: frozenset[str] = frozenset()
    grades: frozenset[int] = frozenset()
    profiles: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    levels: frozenset[Level] = frozenset()
    data_quality: bool | None = None
    departments: frozenset[str] = frozenset()
    windows: tuple[Window, ...] = ()
    weekdays: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who gets it.

    table        whom the policy's table for the level names
    roles        roles within the enterprise, else its heads
    area_roles   roles of the enterprise's area, else of the nearest above it that has one
    contacts     codes
    departments  departments of the routes file; "competent" = the enterprise's own
    """

    table: bool = False
    roles: tuple[str, ...] = ()
    area_roles: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One route.  channels, n_channels : instead of the contacts' own and the table's; () and 0 = those

    where : file and line
    """

    name: str
    match: Match = Match()
    to: Receivers | None = None
    channels: tuple[str, ...] = ()
    n_channels: int = 0
    go_on: bool = False
    children: tuple[Node, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What matchers look at.  areas : codes of the enterprise's area and all above it"""

    rule: str
    level: Level
    data_quality: bool
    enterprise: str = ""
    areas: tuple[str, ...] = ()
    grade: int = 0
    profile: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A route that an alert takes, with what it inherits; `path` names the routes on the way to it."""

    path: tuple[str, ...]
    to: Receivers
    channels: tuple[str, ...] = ()
    n_channels: int = 0


TABLE = Receivers(table=True)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One route among all; `below` has the bits of its children."""

    node: Node
    taken: Taken
    below: int
    timed: bool


@dataclass(slots=True)
class _Masks:
    """Of one matcher: the routes that take a value, and those that take any."""

    of: dict[object, int] = field(default_factory=dict)
    anything: int = 0

    def add(self, bit: int, values: frozenset[object]) -> None:
        if not values:
            self.anything |= bit
        for value in values:
            self.of[value] = self.of.get(value, 0) | bit

    def takes(self, value: object) -> int:
        return self.anything | self.of.get(value, 0)


class Tree:
    """Routes, compiled.

    departments : name -> codes of the contacts who stand for it
    """

    def __init__(
        self,
        routes: Sequence[Node] = (),
        *,
        default: Receivers = TABLE,
        departments: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.departments = dict(departments or {})
        self.nodes: list[_Compiled] = []
        self._masks = {name: _Masks() for name in ("areas", "enterprises", "grades", "profiles", "levels")}
        self._masks |= {name: _Masks() for name in ("data_quality", "departments")}
        self._globs: list[tuple[str, int]] = []
        self._any_rule = 0
        self._by_rule: dict[str, int] = {}
        self.default = Taken(("default",), default)
        self._top = sum(self._compile(node, Taken((), default)) for node in routes)

    def __len__(self) -> int:
        return len(self.nodes)

    def take(self, facts: Facts, now: int, zone: ZoneInfo) -> tuple[Taken, ...]:
        """Return the routes that an alert takes at `now` (ns), in order; the default when none matches."""
        found = tuple(self._walk(self._top, self._static(facts), now, zone))
        return found or (self.default,)

    def static(self, facts: Facts) -> Iterator[Taken]:
        """Yield every route that may take such an alert at some time."""
        mask = self._static(facts)
        for number, one in enumerate(self.nodes):
            if mask >> number & 1:
                yield one.taken

    @property
    def timed(self) -> bool:
        """Whether any route asks for the time."""
        return any(one.timed for one in self.nodes)

    def _compile(self, node: Node, above: Taken) -> int:
        """Enter a route and those below it; return its bit.  Numbers grow in the order of asking."""
        number = len(self.nodes)
        bit = 1 << number
        taken = Taken(
            (*above.path, node.name),
            node.to or above.to,
            node.channels or above.channels,
            node.n_channels or above.n_channels,
        )
        match = node.match
        timed = bool(match.windows or match.weekdays)
        self.nodes.append(_Compiled(node, taken, 0, timed))
        for name in ("areas", "enterprises", "grades", "profiles", "levels", "departments"):
            self._masks[name].add(bit, getattr(match, name))
        wanted = frozenset[object]() if match.data_quality is None else frozenset({match.data_quality})
        self._masks["data_quality"].add(bit, wanted)
        if not match.rules:
            self._any_rule |= bit
        self._globs += [(glob, bit) for glob in match.rules]
        below = sum(self._compile(child, taken) for child in node.children)
        self.nodes[number] = _Compiled(node, taken, below, timed)
        return bit

    def _static(self, facts: Facts) -> int:
        """Return the routes whose matchers, but for the time, take these facts."""
        masks = self._masks
        mask = self._rule(facts.rule) & masks["levels"].takes(facts.level)
        mask &= masks["data_quality"].takes(facts.data_quality) & masks["enterprises"].takes(facts.enterprise)
        mask &= masks["grades"].takes(facts.grade) & masks["profiles"].takes(facts.profile)
        mask &= masks["departments"].takes(facts.department)
        areas = masks["areas"]
        inside = areas.anything
        for area in facts.areas:
            inside |= areas.of.get(area, 0)
        return mask & inside

    def _rule(self, code: str) -> int:
        if code not in self._by_rule:
            mask = self._any_rule
            for glob, bit in self._globs:
                if fnmatchcase(code, glob):
                    mask |= bit
            self._by_rule[code] = mask
        return self._by_rule[code]

    def _walk(self, among: int, mask: int, now: int, zone: ZoneInfo) -> Iterator[Taken]:
        left = among & mask
        while left:
            bit = left & -left
            left ^= bit
            one = self.nodes[bit.bit_length() - 1]
            if one.timed and not _in_time(one.node.match, now, zone):
                continue
            yield from tuple(self._walk(one.below, mask, now, zone)) or (one.taken,)
            if not one.node.go_on:
                return


def _in_time(match: Match, now: int, zone: ZoneInfo) -> bool:
    local = to_datetime(now).astimezone(zone)
    if match.weekdays and local.weekday() not in match.weekdays:
        return False
    return not match.windows or any(window.holds(local.time()) for window in match.windows)
