"""Backtest: readings of the past through limits and rules, and which alarms there would have been.

The same plan and the same bank as in the service. Two things are not played: silence, for a recording knows nothing of
when it arrived, and whatever people would have done with the alerts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.errors import ConfigError
from core.events import Events, Kind, SubjectKind
from core.levels import Level
from core.time import DAY
from detectors.bank import Bank
from detectors.plan import Plan, Silences
from detectors.rulebook import RuleText
from registry.catalog import Catalog
from service.config import Watch
from service.planning import plan_of
from simulators.recording import Recording

# So many readings are played at once; an instant is never cut.
_PIECE = 50_000
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm from its raising to its end.

    level   the highest · raised, cleared, since  event time, ns; cleared 0 = still present at the end
    series  that decided, 0 = several did · value, limit  when it was raised
    """

    rule: str
    title: str
    level: Level
    kind: SubjectKind
    subject: int
    series: int
    since: int
    raised: int
    cleared: int
    value: float
    limit: float


def plan_for(catalog: Catalog, watch: Watch, rules: Sequence[RuleText]) -> Plan:
    """Return what the service would detect, but for silence."""
    plan, none = plan_of(catalog, watch, rules), Silences.rows()
    return replace(plan, silences=none, gateway_silences=none, enterprise_silences=none)


def play(plan: Plan, batches: Iterable[Batch], tick: Tick = lambda _n: None) -> list[Alarm]:
    """Return the alarms of batches of which each is later than the one before it; `tick` hears of readings done."""
    bank, found, now = Bank(plan), _Alarms(), 0
    for batch in batches:
        if len(batch):
            now = max(now, int(batch.t.max()))
            found.take(bank.step(batch, now), bank)
        tick(len(batch))
    return sorted([*found.ended, *found.present.values()], key=lambda alarm: (alarm.raised, alarm.rule))


class _Alarms:
    def __init__(self) -> None:
        self.present: dict[tuple[str, int, int], Alarm] = {}
        self.ended: list[Alarm] = []

    def take(self, events: Events, bank: Bank) -> None:
        """Note what begins, gets worse, or ends."""
        columns = (events.rule, events.subject_kind, events.subject)
        for n, (row, kind, subject) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            rule = bank.rules[row]
            key = rule.code, kind, subject
            level, t = Level(int(events.level[n])), int(events.t[n])
            if events.kind[n] == Kind.CLEAR:
                if key in self.present:
                    self.ended.append(replace(self.present.pop(key), cleared=t))
            elif key in self.present:
                known = self.present[key]
                self.present[key] = replace(known, level=max(level, known.level))
            else:
                self.present[key] = Alarm(
                    rule.code, rule.title_zh, level, SubjectKind(kind), subject, int(events.series[n]),
                    int(events.since[n]), t, 0, float(events.value[n]), float(events.limit[n]),
                )  # fmt: skip


def pieces(batch: Batch) -> Iterator[Batch]:
    """Yield a batch in parts of which each is later than the one before it, without cutting an instant."""
    order = np.argsort(batch.t, kind="stable")
    t = batch.t[order]
    begin = 0
    while begin < len(t):
        end = int(np.searchsorted(t, t[min(begin + _PIECE, len(t)) - 1], side="right"))
        part = batch.take(order[begin:end])
        yield Batch.of(part.series, part.t, part.value, part.quality)
        begin = end


def readings_of(recordings: Iterable[Recording], catalog: Catalog, tick: Tick = lambda _n: None) -> Batch:
    """Return what recordings hold, as their town's series; of readings of one series and time the first counts.

    Raises ConfigError for a device or signal that the town does not have. `tick` hears of every row.
    """
    columns: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for recording in recordings:
        gateway = recording.mapping.gateway
        for row in recording.rows():
            device = catalog.devices.get((gateway, row.device))
            for signal, value in row.values.items():
                if device is None or signal not in device.series:
                    raise ConfigError(
                        f"{recording.path} line {row.number}",
                        f"{gateway}/{row.device}/{signal} is not in the town of the mapping",
                        "Take the town that was written for this mapping",
                    )
                times, values = columns[device.series[signal]]
                times.append(row.t)
                values.append(value)
            tick(1)
    parts = [_first_of_each(key, *column) for key, column in columns.items()]
    return Batch.of(
        np.concatenate([np.empty(0, np.int32), *(part[0] for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)]),
        np.concatenate([np.empty(0, np.float64), *(part[2] for part in parts)]),
    )


def _first_of_each(
    key: int, times: list[int], values: list[float]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    t, first = np.unique(np.array(times, np.int64), return_index=True)
    return np.full(len(t), key, np.int32), t, np.array(values)[first]


def as_profile(catalog: Catalog, profile: str) -> Catalog:
    """Return the catalog with devices of another profile, to try out rules that are not about theirs."""
    return replace(
        catalog, devices={key: replace(device, profile=profile) for key, device in catalog.devices.items()}
    )


def with_numbers(catalog: Catalog, numbers: Mapping[str, float]) -> Catalog:
    """Return the catalog with these numbers of rules (`D-06.upper`) for every device."""
    ids = [device.id for device in catalog.devices.values()]
    return replace(catalog, parameters={id_: {**catalog.parameters.get(id_, {}), **numbers} for id_ in ids})


@dataclass(frozen=True, slots=True)
class Line:
    """What one rule would have said: raises, of how many subjects, and the share of their time with an alarm."""

    rule: str
    title: str
    level: Level
    raises: int
    subjects: int
    per_device_day: float
    share: float
    first: int


def summary(alarms: Sequence[Alarm], *, begin: int, end: int, n_devices: int) -> list[Line]:
    """Return one line per rule, by code, of readings between two times (ns) of so many devices."""
    of_rule: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        of_rule[alarm.rule].append(alarm)
    span = max(end - begin, 1)
    lines = []
    for code, mine in sorted(of_rule.items()):
        subjects = len({(alarm.kind, alarm.subject) for alarm in mine})
        lasted = sum((alarm.cleared or end) - alarm.raised for alarm in mine)
        lines.append(
            Line(
                rule=code,
                title=mine[0].title,
                level=max(alarm.level for alarm in mine),
                raises=len(mine),
                subjects=subjects,
                per_device_day=len(mine) / (span / DAY) / max(n_devices, 1),
                share=lasted / span / subjects,
                first=min(alarm.raised for alarm in mine),
            )
        )
    return lines
