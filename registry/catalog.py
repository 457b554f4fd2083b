"""The registry as arrays and dictionaries: what the hot path reads.

No Django here; registry/load.py fills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.events import SubjectKind
from registry.facts import Fact
from registry.rota import Rota


@dataclass(frozen=True, slots=True)
class Gateway:
    """A sensor gateway of one enterprise.

    messages_per_s : int   its own budget, 0 = as configured
    shared_topics : bool   may publish on topics that name no gateway
    """

    id: int
    code: str
    enterprise: int
    zone: str = "Asia/Shanghai"
    lenient: bool = False
    messages_per_s: int = 0
    shared_topics: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device behind a gateway; `series` maps a signal's name to the series' primary key, `facts` those of facts."""

    id: int
    code: str
    gateway: int
    enterprise: int
    profile: str
    series: Mapping[str, int]
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """L limits set in the registry, one row per (series, level, side).

    series int32[L] · level uint8[L] · high bool[L] (True: too high, False: too low)
    limit, deadband float64[L] in the unit of the series, deadband >= 0 · on_delay, off_delay int64[L] ns
    """

    series: NDArray[np.int32]
    level: NDArray[np.uint8]
    high: NDArray[np.bool_]
    limit: NDArray[np.float64]
    deadband: NDArray[np.float64]
    on_delay: NDArray[np.int64]
    off_delay: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or a robot that can be reached; `code` is unique.

    addresses : channel name -> address, in order of preference
    """

    code: str
    name: str
    role: str
    enterprise: int  # 0: not of an enterprise but of an area
    area: int  # 0: of an enterprise
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Firm:
    """What routes ask about an enterprise.

    area : primary key · grade : risk grade, 1 blue … 4 red, 0 = none given · department : the competent one
    """

    code: str
    area: int
    grade: int = 0
    department: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What people call the thing an alert is about."""

    enterprise: int
    enterprise_name: str
    area: int
    area_name: str
    name: str  # "1号除尘器 灰斗温度"
    name_en: str
    unit: str = ""
    place: str = ""  # "打磨车间"
    enterprise_name_en: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All that ingest, detectors, alerts need to know; immutable, replaced whole when the registry changes.

    version : str             changes when, and only when, anything in here changes
    Arrays per series are indexed by the series' primary key (row 0 and retired keys: active False), length S.
    active bool[S] · device, gateway, enterprise int32[S] · period int64[S] ns (0: on change)
    physical_low, physical_high float64[S]  outside = OUT_OF_RANGE reject · mandatory bool[S]
    The gateway of a fact's series is 0: no gateway sends it.
    signal : tuple[str, ...]  name of the signal per series, "" where none · unit likewise
    """

    version: str
    active: NDArray[np.bool_]
    device: NDArray[np.int32]
    gateway: NDArray[np.int32]
    enterprise: NDArray[np.int32]
    period: NDArray[np.int64]
    physical_low: NDArray[np.float64]
    physical_high: NDArray[np.float64]
    mandatory: NDArray[np.bool_]
    signal: tuple[str, ...]
    unit: tuple[str, ...]
    limits: Limits
    gateways: Mapping[str, Gateway]  # by code
    devices: Mapping[tuple[str, str], Device]  # by (gateway code, device code)
    device_by_name: Mapping[str, Device]  # by device code alone, where that is unique in the registry
    subjects: Mapping[tuple[SubjectKind, int], Subject]
    contacts: tuple[Contact, ...]
    area_parent: Mapping[int, int] = field(default_factory=dict)  # area -> the one above it; 0 above the top
    area_code: Mapping[int, str] = field(default_factory=dict)
    firms: Mapping[int, Firm] = field(default_factory=dict)  # by primary key of the enterprise
    # device -> "D-06.upper" -> value
    parameters: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    rotas: tuple[Rota, ...] = ()  # by code

    @property
    def n_series(self) -> int:
        """Length of the arrays per series: largest primary key + 1."""
        return len(self.active)
