"""Router: who is told about an alert, by the tree, the policy, the registry and whoever is on duty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from alerts.changes import Alert
from alerts.duty import Duty
from alerts.policy import Policy, Rung, Tier
from alerts.route import (
    NO_REVIEWER,
    Book,
    Stop,
    Way,
    again,
    climb,
    of_area,
    of_enterprise,
    on_rung,
    once,
    operators,
    route,
    stops_of,
)
from alerts.tree import Facts, Taken, Tree
from core.events import SubjectKind
from core.levels import Level
from core.time import MINUTE
from registry.catalog import Catalog, Contact, Subject

_NOBODY_THERE = (
    "路由 {path} 无可通知的人员",
    "route {path} finds nobody to tell",
)


class Router:
    """Looks routes up; a storm asks the same thousands of times, so answers are kept while they hold."""

    def __init__(self, directory: Catalog, policy: Policy, tree: Tree, duty: Duty | None = None) -> None:
        self.book = Book.of(directory)
        self.policy, self.tree, self.directory = policy, tree, directory
        self.duty: Duty = duty or self.book
        self._profiles = {device.id: device.profile for device in directory.devices.values()}
        self._areas: dict[int, tuple[str, ...]] = {}
        self._known: dict[Facts, tuple[Stop, ...]] = {}
        self._holds_until = 0
        self._timed = tree.timed

    def first(self, alert: Alert, now: int) -> tuple[Stop, ...]:
        """Return who is told first about an alert, or about a higher level of it; never nobody."""
        if now >= self._holds_until:
            self._known.clear()
            self._holds_until = self.duty.until(now)
            if self._timed:
                # Windows begin and end at whole minutes.
                self._holds_until = min(self._holds_until, now // MINUTE * MINUTE + MINUTE)
        subject = self.subject(alert)
        kind, key = alert.subject_kind, alert.subject
        profile = self.profile(kind, key)
        facts = self.facts_of(alert.rule, alert.level, subject, profile, dq=alert.data_quality)
        stops = self._known.get(facts)
        if stops is None:
            stops = self._known[facts] = self.explain(facts, subject, now)
        return stops

    def explain(self, facts: Facts, subject: Subject, now: int) -> tuple[Stop, ...]:
        """Return who is told and why: `Stop.why` begins with the path through the tree."""
        stops: list[Stop] = []
        for taken in self.tree.take(facts, now, self.policy.zone):
            path = " > ".join(taken.path)
            stops += (
                replace(stop, why=f"{path}: {stop.why}") for stop in self._of(taken, facts, subject, now)
            )
        return once(stops)

    def told(self, alert: Alert) -> tuple[Stop, ...]:
        """Return the way to those who were told before."""
        return again(self.book, self.policy, self._tier(alert), alert.told)

    def joined(self, alert: Alert, rungs: tuple[Rung, ...], now: int) -> tuple[Stop, ...]:
        """Return those told before, and who joins them on these rungs."""
        told = self.told(alert)
        if not rungs:
            return told
        ladder = self.policy.ladder(alert.level, data_quality=alert.data_quality).rungs
        above = ladder[ladder.index(rungs[-1]) + 1 :] if rungs[-1] in ladder else ()
        way = Way(self.book, self.policy, self.duty, now)
        return once([*told, *climb(way, self._tier(alert), rungs, above, self.subject(alert))])

    def reviewers(self, subject: Subject, now: int) -> tuple[Stop, ...]:
        """Return those who review, or watch over maintenance: of the nearest area that has any, else operators."""
        way = Way(self.book, self.policy, self.duty, now)
        found = of_area(way, Tier(()), self.policy.reviewers, subject)
        return once(found or operators(self.book, self.policy, NO_REVIEWER))

    def on_rung(self, rung: Rung, subject: Subject, level: Level, *, dq: bool, now: int) -> tuple[Stop, ...]:
        """Return who joins on one rung of the ladder of a level.  dq : about data quality"""
        way = Way(self.book, self.policy, self.duty, now)
        return once(on_rung(way, self.policy.tier(level, data_quality=dq), rung, subject))

    def stands_on(self, rung: Rung, enterprise: int, now: int) -> bool:
        """Return whether a rung of the ladder has anybody for an enterprise."""
        way = Way(self.book, self.policy, self.duty, now)
        subject = self.book.subject(SubjectKind.ENTERPRISE, enterprise)
        return bool(on_rung(way, Tier(()), rung, subject))

    def operators(self, gap: tuple[str, str]) -> tuple[Stop, ...]:
        """Return whoever runs the service."""
        return once(operators(self.book, self.policy, gap))

    def subject(self, alert: Alert) -> Subject:
        """Return what people call the thing an alert is about."""
        return self.book.subject(alert.subject_kind, alert.subject)

    def facts_of(self, rule: str, level: Level, subject: Subject, profile: str, *, dq: bool) -> Facts:
        """Return what the tree's matchers look at, of an alert that need not exist.  dq : about data quality"""
        firm = self.directory.firms.get(subject.enterprise)
        return Facts(
            rule,
            level,
            dq,
            firm.code if firm else str(subject.enterprise or ""),
            self._codes(subject.area),
            firm.grade if firm else 0,
            profile,
            firm.department if firm else "",
        )

    def profile(self, kind: SubjectKind, key: int) -> str:
        """Return the kind of device that a subject is, or lies in; "" where there is none."""
        if kind == SubjectKind.SERIES:
            device = self.directory.device
            key = int(device[key]) if 0 <= key < len(device) else 0
        elif kind != SubjectKind.DEVICE:
            return ""
        return self._profiles.get(key, "")

    def _codes(self, area: int) -> tuple[str, ...]:
        """Return the codes of an area and of those above it."""
        if area not in self._areas:
            code = self.directory.area_code
            self._areas[area] = tuple(code.get(one, str(one)) for one in self.book.upwards(area))
        return self._areas[area]

    def _tier(self, alert: Alert) -> Tier:
        return self.policy.tier(alert.level, data_quality=alert.data_quality)

    def _of(self, taken: Taken, facts: Facts, subject: Subject, now: int) -> Iterable[Stop]:
        """Return the stops of one route; one that finds nobody falls back on the policy's table."""
        table = self.policy.tier(facts.level, data_quality=facts.data_quality)
        tier = replace(
            table, n_channels=taken.n_channels or table.n_channels, by="" if taken.channels else table.by
        )
        policy = replace(self.policy, channels=frozenset(taken.channels)) if taken.channels else self.policy
        way = Way(self.book, policy, self.duty, now)
        stops = self._named(way, taken, tier, facts, subject)
        if taken.to.table or not stops:
            by_table = route(
                self.book, self.policy, subject=subject, level=facts.level, data_quality=facts.data_quality,
                duty=self.duty, now=now,
            )  # fmt: skip
            stops += by_table if taken.to.table else _with_gap(by_table, taken)
        return _in_order(stops, taken.channels)

    def _named(self, way: Way, taken: Taken, tier: Tier, facts: Facts, subject: Subject) -> list[Stop]:
        to = taken.to
        heads = () if facts.data_quality else self.policy.heads
        stops: list[Stop] = []
        if to.roles:
            stops += of_enterprise(way, replace(tier, roles=to.roles), heads, subject.enterprise)
        if to.area_roles:
            stops += of_area(way, tier, to.area_roles, subject)
        for code in (*to.contacts, *self._liaisons(to.departments, facts.department)):
            if contact := self.book.by_code.get(code):
                stops += self._by(way.policy, tier, contact)
        return stops

    def _by(self, policy: Policy, tier: Tier, contact: Contact) -> list[Stop]:
        """Return a contact's stops; who has none of the route's channels is told by the contact's own."""
        return stops_of(policy, tier, contact, "named") or stops_of(self.policy, tier, contact, "named")

    def _liaisons(self, departments: Iterable[str], competent: str) -> Iterable[str]:
        for department in departments:
            name = competent if department == "competent" else department
            yield from self.tree.departments.get(name, ())


def _with_gap(stops: tuple[Stop, ...], taken: Taken) -> tuple[Stop, ...]:
    zh, en = (words.format(path=" > ".join(taken.path)) for words in _NOBODY_THERE)
    return tuple(replace(stop, why=f"{stop.why} ({zh} / {en})") for stop in stops)


def _in_order(stops: list[Stop], channels: tuple[str, ...]) -> list[Stop]:
    """Return stops in the order of the route's channels; Python's sort keeps the rest as it is."""
    if not channels:
        return stops
    rank = {channel: n for n, channel in enumerate(channels)}
    return sorted(stops, key=lambda stop: rank.get(stop.channel, len(rank)))
