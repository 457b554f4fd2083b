"""Policy: every number and role about alerts that an officer may dispute; configuration composes it.

All defaults are proposals of ours: the texts that ask for staged warnings give no minutes and no roles
(docs/alerts.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from core.levels import Level
from core.time import CHINA
from registry.words import Role

# Of the nearest area that has one of them.
_INSPECTORS = (Role.STREET_INSPECTOR, Role.COUNTY_INSPECTOR, Role.CITY_INSPECTOR)


@dataclass(frozen=True, slots=True)
class Tier:
    """Who is told first about alerts of one level.

    roles        roles within the enterprise, all of them are told
    area_roles   roles in the area of the enterprise, told at once as well; empty: nobody yet
    n_channels   how many of a contact's channels are used at once, in the contact's own order
    by           the only channel to use, whatever the contact prefers; "" = the contact's own
    """

    roles: tuple[str, ...]
    area_roles: tuple[str, ...] = ()
    n_channels: int = 1
    by: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """Who joins when nobody has answered; who was told before stays.

    after_s      since the answer is awaited
    roles        roles within the enterprise
    area_roles   roles of the enterprise's area, or of the nearest above it that has one
    """

    after_s: float
    roles: tuple[str, ...] = ()
    area_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """What happens while nobody answers, and while nobody reports; 0 = never.

    answer_s     without an answer everybody is told again
    rungs        who joins then, and when
    repeat_s     after the last rung everybody is told again this often, until somebody answers
    feedback_s   feedback is due; it is asked for again after as long
    reach_s      when nothing has reached a person by then, the operator is told to call
    """

    answer_s: float = 0.0
    rungs: tuple[Rung, ...] = ()
    repeat_s: float = 0.0
    feedback_s: float = 0.0
    reach_s: float = 0.0


_STREET = (Role.STREET_INSPECTOR, Role.DUTY_OFFICER)
_COUNTY = (Role.COUNTY_INSPECTOR, Role.CITY_INSPECTOR)
_HOUR_S, _DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Ladders:
    """How alerts climb, by level; minutes are proposals of ours: no policy text names any.

    Red: a dust fire spreads within minutes, so the street hears within ten, the county within thirty.
    Orange: a shift can stop a machine within half an hour. Yellow and blue: working hours suffice.
    """

    red: Ladder = Ladder(
        300.0,
        (Rung(600.0, (Role.ACTUAL_CONTROLLER,), _STREET), Rung(1800.0, (), _COUNTY)),
        repeat_s=1800.0,
        feedback_s=4 * _HOUR_S,
        reach_s=120.0,
    )
    orange: Ladder = Ladder(
        900.0,
        (Rung(1800.0, (), _STREET), Rung(2 * _HOUR_S, (), _COUNTY)),
        repeat_s=8 * _HOUR_S,
        feedback_s=_DAY_S,
    )
    yellow: Ladder = Ladder(
        2 * _HOUR_S,
        (Rung(8 * _HOUR_S, (Role.PRINCIPAL,)), Rung(_DAY_S, (), _STREET)),
        repeat_s=_DAY_S,
        feedback_s=3 * _DAY_S,
    )
    blue: Ladder = Ladder(0.0, (Rung(7 * _DAY_S, (Role.PRINCIPAL,)),), feedback_s=7 * _DAY_S)
    data_quality: Ladder = Ladder(0.0, (Rung(_DAY_S, (Role.PRINCIPAL,)),))


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert of a source is present, alerts of the targets move and nobody is told.

    sources, targets   rule codes; * stands for any characters
    same               what both must share: gateway, device or enterprise
    up_to              the highest level that is inhibited
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    same: Literal["gateway", "device", "enterprise"] = "gateway"
    up_to: Level = Level.ORANGE


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held back instead of sent at once; red never is, and nothing is dropped: a digest carries it.

    group_by            alerts that share a digest: of one enterprise or gateway, and of one level
    orange_s            an orange note waits so long for others of its group; 0: not at all
    yellow_s, blue_s    the same for yellow and blue
    flood_alarms        more alarms than this for one recipient ...
    flood_window_s      ... within this time are a flood: blue and yellow are held
    flood_digest_s      what a flood holds goes out as one digest after this
    quiet_start         from then on blue and yellow wait for the morning, "22:00"; "" = never
    quiet_end           the morning, "07:00"
    daily               blue waits for this time of day, "08:30"; "" = it does not wait
    settle_s            after a start, data-quality notes wait so long: our own absence is no sensor's fault
    chatter_raises      an alert raised more often than this ...
    chatter_window_s    ... within this time chatters: one notice, then a digest
    chatter_digest_s    what chattering holds goes out after this
    chatter_level       the highest level that is held for chattering
    shelve_max_s        the longest shelf and the longest maintenance window
    inhibit_max_s       what an inhibition holds goes out after this at the latest
    inhibit             which alerts hide which
    """

    group_by: Literal["enterprise", "gateway"] = "enterprise"
    orange_s: float = 10.0
    yellow_s: float = 60.0
    blue_s: float = 60.0
    flood_alarms: int = 10
    flood_window_s: float = 600.0
    flood_digest_s: float = 600.0
    quiet_start: str = "22:00"
    quiet_end: str = "07:00"
    daily: str = ""
    settle_s: float = 60.0
    chatter_raises: int = 5
    chatter_window_s: float = _HOUR_S
    chatter_digest_s: float = _HOUR_S
    chatter_level: Level = Level.ORANGE
    shelve_max_s: float = _DAY_S
    inhibit_max_s: float = _DAY_S
    inhibit: tuple[Inhibition, ...] = (Inhibition(("Q-01",), ("Q-02",)),)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is told, when, and in which words.

    heads            asked in turn when none of a tier's roles has anybody in the enterprise
    area_heads       asked from the enterprise's area upwards when the enterprise has nobody at all
    operator_role    contacts who run the service: they hear of every hole in the registry
    last_resort      (recipient, channel, address) when not even an operator is in the registry
    channels         names of the channels that are configured; empty = any name is good
    tell             which steps are sent: raise, level, clear, close, escalate, overdue, unreached, review, reject,
                     shelve, unshelve
    machines         channels that no person reads: never held back, and nobody is reached by them
    title_chars      longer titles are cut
    reviewers        who is asked to review feedback: of the nearest area that has one of them
    short_close      the highest level of plant alerts that may be closed without feedback and review
    review_present   a review may close an alert whose condition is still present
    reopen_s         a condition that comes again within this time after closing opens the same alert again
    routes           file with the routing tree (docs/alerts.md); "" = the built-in one: the tables below
    quality_cap      data-quality alerts are never above this level
    link             address of an alert's page, `{id}` stands for the alert; "" = no link
    digest_lines     messages that a digest names one by one; the page behind its link has the rest
    remember         closed alerts whose replay is recognised and whose id is known to be closed
    """

    red: Tier = Tier((Role.SAFETY_OFFICER, Role.PRINCIPAL), _INSPECTORS, n_channels=3)
    orange: Tier = Tier((Role.SAFETY_OFFICER, Role.PRINCIPAL), n_channels=2)
    yellow: Tier = Tier((Role.SAFETY_OFFICER,))
    blue: Tier = Tier((Role.SAFETY_OFFICER,), by="log")
    data_quality: Tier = Tier((Role.SAFETY_OFFICER,))
    heads: tuple[str, ...] = (
        Role.SAFETY_OFFICER,
        Role.SAFETY_DIRECTOR,
        Role.PRINCIPAL,
        Role.ACTUAL_CONTROLLER,
    )
    area_heads: tuple[str, ...] = (*_INSPECTORS, Role.DUTY_OFFICER)
    operator_role: str = Role.PLATFORM_ADMIN
    last_resort: tuple[str, str, str] = ("operator", "log", "operator")
    channels: frozenset[str] = frozenset()
    tell: frozenset[str] = frozenset(
        {
            "raise",
            "level",
            "clear",
            "escalate",
            "overdue",
            "unreached",
            "review",
            "reject",
            "shelve",
            "unshelve",
        }
    )
    machines: frozenset[str] = frozenset({"log"})
    reviewers: tuple[str, ...] = (Role.REVIEWER, *_INSPECTORS)
    short_close: Level = Level.YELLOW
    review_present: bool = False
    reopen_s: float = _DAY_S
    routes: str = ""
    quality_cap: Level = Level.ORANGE
    title_chars: int = 64
    digest_lines: int = 50
    link: str = ""
    remember: int = 100_000
    zone: ZoneInfo = field(default=CHINA)
    ladders: Ladders = Ladders()
    hold: Holding = Holding()

    def tier(self, level: Level, *, data_quality: bool) -> Tier:
        """Return who is told first."""
        if data_quality:
            return self.data_quality
        return (self.blue, self.yellow, self.orange, self.red)[level - 1]

    def ladder(self, level: Level, *, data_quality: bool) -> Ladder:
        """Return how an alert climbs."""
        steps = self.ladders
        if data_quality:
            return steps.data_quality
        return (steps.blue, steps.yellow, steps.orange, steps.red)[level - 1]
