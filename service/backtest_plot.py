"""A picture of a backtest: the readings that each alarm rests on, and when it was there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import SubjectKind
from core.levels import Level
from core.time import CHINA, to_datetime
from registry.catalog import Catalog, Device
from service.backtest import Alarm

MOST = 12
_COLOUR = {Level.BLUE: "tab:blue", Level.YELLOW: "gold", Level.ORANGE: "tab:orange", Level.RED: "tab:red"}
# A line of a screen has no more points than this.
_POINTS = 4000


def plot(
    out: Path, batch: Batch, alarms: Sequence[Alarm], catalog: Catalog, signals: Mapping[str, Sequence[str]]
) -> None:
    """Draw the first MOST pairs of rule and subject; `signals` gives those that a rule reads.

    What has no alarm is not drawn; a recording without any is drawn with its first series alone.
    """
    from matplotlib.figure import Figure

    of_pair: dict[tuple[str, SubjectKind, int], list[Alarm]] = {}
    for alarm in alarms:
        of_pair.setdefault((alarm.rule, alarm.kind, alarm.subject), []).append(alarm)
    pairs = list(of_pair.items())[:MOST] or [(("no alarm", SubjectKind.SERIES, int(batch.series[0])), [])]
    figure = Figure(figsize=(14, 2.4 * len(pairs) + 0.4), layout="constrained")
    every = figure.subplots(len(pairs), 1, sharex=True, squeeze=False)[:, 0]
    for axes, ((rule, kind, subject), mine) in zip(every, pairs, strict=True):
        keys = _keys(kind, subject, catalog, signals.get(rule, ()))
        for key in keys:
            _draw(axes, batch, key, catalog)
        for alarm in mine:
            end = alarm.cleared or int(batch.t.max())
            axes.axvspan(_at(alarm.raised), _at(end), color=_COLOUR[alarm.level], alpha=0.3)
        if kind == SubjectKind.SERIES and mine and np.isfinite(mine[0].limit) and signals.get(rule) is None:
            axes.axhline(mine[0].limit, color="tab:red", linewidth=0.8, linestyle="--")
        axes.set_title(f"{rule} · {len(mine)} raised", fontsize=9, loc="left")
        if keys:
            axes.legend(fontsize=7, loc="upper right")
    figure.savefig(out, dpi=110)


def _keys(kind: SubjectKind, subject: int, catalog: Catalog, signals: Sequence[str]) -> list[int]:
    if kind == SubjectKind.SERIES:
        return [subject]
    mine = [device for device in catalog.devices.values() if device.id == subject]
    return [key for device in mine for key in _read(device, signals)]


def _read(device: Device, signals: Sequence[str]) -> list[int]:
    series = {**device.series, **device.facts}
    named = [key for name, key in sorted(series.items()) if any(name.startswith(s) for s in signals)]
    return named or list(device.series.values())[:6]


def _draw(axes: Any, batch: Batch, key: int, catalog: Catalog) -> None:
    rows = np.flatnonzero(batch.series == key)
    rows = rows[:: max(1, len(rows) // _POINTS)]
    if len(rows):
        name = f"{catalog.signal[key]} {catalog.unit[key]}".strip()
        axes.plot(_times(batch.t[rows]), batch.value[rows], linewidth=0.7, label=name)


def _times(t: NDArray[np.int64]) -> list[datetime]:
    return [_at(one) for one in t.tolist()]


def _at(t: int) -> datetime:
    return to_datetime(t).astimezone(CHINA)
