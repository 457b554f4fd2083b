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

from alerts.policy import Policy, Tier
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
    """The registry's contacts by where they stand."""

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

    def subject(self, kind: SubjectKind, key: int) -> Subject:
        """Return what people call a subject; one that the registry has lost is named by its number."""
        return self.subjects.get((kind, key)) or Subject(
            0, "", 0, "", f"{_KIND_ZH[kind]} {key}", f"{kind.name.lower()} {key}"
        )

    def upwards(self, area: int) -> Iterator[int]:
        """Yield an area and those above it; a circle in the tree ends it."""
        seen: set[int] = set()
        while area and area not in seen:
            yield area
            seen.add(area)
            area = self.parent.get(area, 0)


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
_NO_INSPECTOR = (
    "本企业所在区域及上级均无可通知的检查人员",
    "no area of the enterprise has an inspector to tell",
)


def route(
    book: Book, policy: Policy, *, subject: Subject, level: Level, data_quality: bool
) -> tuple[Stop, ...]:
    """Return everybody who is told first, each (recipient, channel) once, never nobody."""
    tier = policy.tier(level, data_quality=data_quality)
    heads = () if data_quality else policy.heads
    stops = _of_enterprise(book, policy, tier, heads, subject.enterprise)
    gap = None
    if not stops and not data_quality:
        stops = _of_area(book, policy, tier, policy.area_heads, subject)
    if not stops:
        gap = _NO_OFFICER if data_quality else _NOBODY
    elif tier.area_roles:
        above = _of_area(book, policy, tier, tier.area_roles, subject)
        stops += above
        gap = None if above else _NO_INSPECTOR
    if gap:
        stops += operators(book, policy, gap)
    return _once(stops)


def again(book: Book, policy: Policy, tier: Tier, told: Iterable[str]) -> tuple[Stop, ...]:
    """Return the way to those who were told before; who left the registry since is left out."""
    stops: list[Stop] = []
    for code in told:
        if contact := book.by_code.get(code):
            stops += _stops(policy, tier, contact, "told before")
        elif code == policy.last_resort[0]:
            stops.append(Stop(*policy.last_resort, why="told before"))
    return _once(stops)


def operators(book: Book, policy: Policy, gap: tuple[str, str]) -> list[Stop]:
    """Return whoever runs the service; without one in the registry, the channel of last resort."""
    found: list[Stop] = []
    for contact in book.by_code.values():
        if contact.role == policy.operator_role and not contact.enterprise:
            found += [replace(stop, gap=gap) for stop in _stops(policy, Tier(()), contact, "operator")]
    return found or [Stop(*policy.last_resort, why="last resort", gap=gap)]


def _of_enterprise(
    book: Book, policy: Policy, tier: Tier, heads: tuple[str, ...], enterprise: int
) -> list[Stop]:
    stops: list[Stop] = []
    for role in tier.roles:
        for contact in book.in_enterprise.get((enterprise, role), ()):
            stops += _stops(policy, tier, contact, role)
    if stops:
        return stops
    wanted = "/".join(tier.roles)
    for role in heads:
        for contact in book.in_enterprise.get((enterprise, role), ()):
            stops += _stops(policy, tier, contact, f"{role}, there is no {wanted}")
        if stops:
            break
    return stops


def _of_area(book: Book, policy: Policy, tier: Tier, roles: tuple[str, ...], subject: Subject) -> list[Stop]:
    for area in book.upwards(subject.area):
        where = "of the area" if area == subject.area else f"of area {area}, there is none below"
        stops = [
            stop
            for role in roles
            for contact in book.in_area.get((area, role), ())
            for stop in _stops(policy, tier, contact, f"{role} {where}")
        ]
        if stops:
            return stops
    return []


def _stops(policy: Policy, tier: Tier, contact: Contact, why: str) -> list[Stop]:
    """Return a contact's channels that may be used; none when none of them is configured."""
    if tier.by:
        return [Stop(contact.code, tier.by, contact.addresses.get(tier.by, contact.code), why)]
    usable = [
        Stop(contact.code, channel, address, why)
        for channel, address in contact.addresses.items()
        if not policy.channels or channel in policy.channels
    ]
    return usable[: tier.n_channels]


def _once(stops: Iterable[Stop]) -> tuple[Stop, ...]:
    """Keep the first of each (recipient, channel): who has two roles is told once."""
    return tuple({(stop.recipient, stop.channel): stop for stop in reversed(list(stops))}.values())[::-1]
