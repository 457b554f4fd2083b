"""Policy: every number and role about alerts that an officer may dispute; configuration composes it.

All defaults are proposals of ours: the texts that ask for staged warnings give no minutes and no roles
(docs/alerts.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
class Policy:
    """Who is told, when, and in which words.

    heads            asked in turn when none of a tier's roles has anybody in the enterprise
    area_heads       asked from the enterprise's area upwards when the enterprise has nobody at all
    operator_role    contacts who run the service: they hear of every hole in the registry
    last_resort      (recipient, channel, address) when not even an operator is in the registry
    channels         names of the channels that are configured; empty = any name is good
    tell             which steps are sent: raise, level, clear, close
    quality_cap      data-quality alerts are never above this level
    link             address of an alert's page, `{id}` stands for the alert; "" = no link
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
    tell: frozenset[str] = frozenset({"raise", "level", "clear"})
    quality_cap: Level = Level.ORANGE
    title_chars: int = 64
    link: str = ""
    remember: int = 100_000
    zone: ZoneInfo = field(default=CHINA)

    def tier(self, level: Level, *, data_quality: bool) -> Tier:
        """Return who is told first."""
        if data_quality:
            return self.data_quality
        return (self.blue, self.yellow, self.orange, self.red)[level - 1]
