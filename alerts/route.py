"""Route: who is told about an alert, looked up in the registry's contacts; a pure function.

1. the tier's roles within the enterprise; when they have nobody, the heads of the enterprise in turn;
2. the tier's roles in the enterprise's area, or in the nearest area above it that has somebody;
3. when the enterprise has nobody at all, whoever is nearest above it;
4. where that finds nobody, the operator is told about the hole: never is it nobody in silence (law 7).
Data-quality alerts stay with the enterprise and the operator: they tell of no danger, so they do not climb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from alerts.duty import FOR_EVER, Duty
from alerts.policy import Policy, Rung, Tier
from core.events import SubjectKind
from core.levels import Level
from registry.catalog import Catalog, Contact, Subject


@dataclass(frozen=True, slots=True)
class Stop:
    """One recipient by one channel.

    why   how this recipient was found, for `fengsui route test` and for an inquiry
    gap   what is missing in the registry, in Chinese and in English; ("", "") for an ordinary recipient
    """

    recipient: str
    channel: str
    address: str
    why: str
    gap: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The registry's contacts by where they stand; as a `Duty` it says that everybody is always on duty."""

    in_enterprise: Mapping[tuple[int, str], tuple[Contact, ...]]
    in_area: Mapping[tuple[int, str], tuple[Contact, ...]]
    by_code: Mapping[str, Contact]
    parent: Mapping[int, int]
    subjects: Mapping[tuple[SubjectKind, int], Subject]

    @classmethod
    def of(cls, catalog: Catalog) -> Book:
        """Index a catalogue; contacts keep the catalogue's order."""
        in_enterprise: dict[tuple[int, str], tuple[Contact, ...]] = {}
        in_area: dict[tuple[int, str], tuple[Contact, ...]] = {}
        for contact in catalog.contacts:
            place, key = (
                (in_enterprise, contact.enterprise) if contact.enterprise else (in_area, contact.area)
            )
            place[key, contact.role] = (*place.get((key, contact.role), ()), contact)
        by_code = {contact.code: contact for contact in catalog.contacts}
        return cls(in_enterprise, in_area, by_code, catalog.area_parent, catalog.subjects)

    def who(self, role: str, *, enterprise: int = 0, area: int = 0, now: int = 0) -> tuple[Contact, ...]:  # noqa: ARG002
        """Return every active contact of a role."""
        if enterprise:
            return self.in_enterprise.get((enterprise, role), ())
        return self.in_area.get((area, role), ())

    def until(self, now: int) -> int:  # noqa: ARG002
        """Return for how long that holds: until the registry changes."""
        return FOR_EVER

    def subject(self, kind: SubjectKind, key: int) -> Subject:
        """Return what people call a subject; one that the registry has lost is named by its number."""
        return self.subjects.get((kind, key)) or _lost(kind, key)

    def upwards(self, area: int) -> Iterator[int]:
        """Yield an area and those above it; a circle in the tree ends it."""
        seen: set[int] = set()
        while area and area not in seen:
            yield area
            seen.add(area)
            area = self.parent.get(area, 0)


@lru_cache(maxsize=16_384)
def _lost(kind: SubjectKind, key: int) -> Subject:
    return Subject(0, "", 0, "", f"{_KIND_ZH[kind]} {key}", f"{kind.name.lower()} {key}")


_KIND_ZH = {
    SubjectKind.SERIES: "测点",
    SubjectKind.DEVICE: "设备",
    SubjectKind.GATEWAY: "网关",
    SubjectKind.ENTERPRISE: "企业",
}
_NOBODY = (
    "本企业及其上级区域均无可通知的人员",
    "neither the enterprise nor any area above it has anybody to tell",
)
_NO_OFFICER = ("本企业无可通知的人员", "the enterprise has nobody to tell about its data")
_NO_RUNG = ("无人应答，且无更高一级人员可通知", "nobody has answered, and there is nobody above to tell")
UNREACHED = (
    "红色预警尚未送达任何人，请电话通知",
    "no note about this red alert has reached anybody: call them",
)
NO_REVIEWER = ("无审核人可通知", "there is nobody to review the feedback")
_NO_INSPECTOR = (
    "本企业所在区域及上级均无可通知的检查人员",
    "no area of the enterprise has an inspector to tell",
)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """What looking people up needs: the registry's contacts, who of them is on duty, the policy, the time (ns)."""

    book: Book
    policy: Policy
    duty: Duty
    now: int = 0


def route(
    book: Book, policy: Policy, *, subject: Subject, level: Level, data_quality: bool, duty: Duty | None = None,
    now: int = 0,
) -> tuple[Stop, ...]:  # fmt: skip
    """Return everybody whom the policy's table tells first, each (recipient, channel) once, never nobody."""
    way = Way(book, policy, duty or book, now)
    tier = policy.tier(level, data_quality=data_quality)
    heads = () if data_quality else policy.heads
    stops = of_enterprise(way, tier, heads, subject.enterprise)
    gap = None
    if not stops and not data_quality:
        stops = of_area(way, tier, policy.area_heads, subject)
    if not stops:
        gap = _NO_OFFICER if data_quality else _NOBODY
    elif tier.area_roles:
        above = of_area(way, tier, tier.area_roles, subject)
        stops += above
        gap = None if above else _NO_INSPECTOR
    if gap:
        stops += operators(book, policy, gap)
    return once(stops)


def again(book: Book, policy: Policy, tier: Tier, told: Iterable[str]) -> tuple[Stop, ...]:
    """Return the way to those who were told before; who left the registry since is left out."""
    stops: list[Stop] = []
    for code in told:
        if contact := book.by_code.get(code):
            stops += stops_of(policy, tier, contact, "told before")
        elif code == policy.last_resort[0]:
            stops.append(Stop(*policy.last_resort, why="told before"))
    return once(stops)


def climb(way: Way, tier: Tier, rungs: Iterable[Rung], above: Iterable[Rung], subject: Subject) -> list[Stop]:
    """Return who joins on these rungs; when they have nobody, the next rung above that has, else operators."""
    stops = [stop for rung in rungs for stop in on_rung(way, tier, rung, subject)]
    for rung in above:
        if stops:
            break
        stops = on_rung(way, tier, rung, subject)
    return stops or operators(way.book, way.policy, _NO_RUNG)


def on_rung(way: Way, tier: Tier, rung: Rung, subject: Subject) -> list[Stop]:
    """Return who stands on one rung of a ladder."""
    inside = of_enterprise(way, replace(tier, roles=rung.roles), (), subject.enterprise)
    return inside + of_area(way, tier, rung.area_roles, subject)


def operators(book: Book, policy: Policy, gap: tuple[str, str]) -> list[Stop]:
    """Return whoever runs the service; without one in the registry, the channel of last resort."""
    found: list[Stop] = []
    for contact in book.by_code.values():
        if contact.role == policy.operator_role and not contact.enterprise:
            found += [replace(stop, gap=gap) for stop in stops_of(policy, Tier(()), contact, "operator")]
    return found or [Stop(*policy.last_resort, why="last resort", gap=gap)]


def of_enterprise(way: Way, tier: Tier, heads: tuple[str, ...], enterprise: int) -> list[Stop]:
    """Return the tier's roles within an enterprise; when they have nobody, the first of `heads` that has."""
    stops: list[Stop] = []
    for role in tier.roles:
        for contact in way.duty.who(role, enterprise=enterprise, now=way.now) if enterprise else ():
            stops += stops_of(way.policy, tier, contact, role)
    if stops or not enterprise:
        return stops
    wanted = "/".join(tier.roles)
    for role in heads:
        for contact in way.duty.who(role, enterprise=enterprise, now=way.now):
            stops += stops_of(way.policy, tier, contact, f"{role}, there is no {wanted}")
        if stops:
            break
    return stops


def of_area(way: Way, tier: Tier, roles: tuple[str, ...], subject: Subject) -> list[Stop]:
    """Return those of some roles in the subject's area, or in the nearest above it that has any."""
    for area in way.book.upwards(subject.area) if roles else ():
        where = "of the area" if area == subject.area else f"of area {area}, there is none below"
        stops = [
            stop
            for role in roles
            for contact in way.duty.who(role, area=area, now=way.now)
            for stop in stops_of(way.policy, tier, contact, f"{role} {where}")
        ]
        if stops:
            return stops
    return []


def stops_of(policy: Policy, tier: Tier, contact: Contact, why: str) -> list[Stop]:
    """Return a contact's channels that may be used; none when none of them is configured."""
    if tier.by:
        return [Stop(contact.code, tier.by, contact.addresses.get(tier.by, contact.code), why)]
    usable = [
        Stop(contact.code, channel, address, why)
        for channel, address in contact.addresses.items()
        if not policy.channels or channel in policy.channels
    ]
    return usable[: tier.n_channels]


def once(stops: Iterable[Stop]) -> tuple[Stop, ...]:
    """Keep the first of each (recipient, channel): who has two roles is told once."""
    return tuple({(stop.recipient, stop.channel): stop for stop in reversed(list(stops))}.values())[::-1]
