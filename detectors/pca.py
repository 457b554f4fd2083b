"""PCA: raises when the signals of a device, taken together, leave what they learned to be normal (pca_chart.py).

The first `learn` complete rows say what is normal; nothing is raised while learning. The event's value is the ratio of
the statistic to its limit, its series the signal that contributes most. Rows with a missing signal are skipped.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Events, Kind, SubjectKind
from detectors import pca_chart as chart
from detectors.anomaly_edges import Edges
from detectors.contract import State
from detectors.frame import Frame
from detectors.lookup import find
from detectors.pca_chart import Floats, Tuning
from detectors.pca_instants import Pending, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Devices:
    """D devices: device, rule int32[D] · level uint8[D] · signals int32[D, C], series; 0 = fewer than C signals.

    threshold float64[D]: how many times its limit the statistic must reach
    """

    device: NDArray[np.int32]
    rule: NDArray[np.int32]
    level: NDArray[np.uint8]
    signals: NDArray[np.int32]
    threshold: Floats

    def __post_init__(self) -> None:
        """Raise ValueError when a series is named twice or a device has fewer than two signals."""
        named = self.signals[self.signals > 0]
        if len(np.unique(named)) != len(named):
            raise ValueError("a series belongs to two devices")
        if len(self.device) and (self.signals > 0).sum(axis=1).min() < 2:
            raise ValueError("a device has fewer than two signals")

    @classmethod
    def none(cls) -> Devices:
        """Return no devices."""
        nobody = np.empty(0, np.int32)
        return cls(nobody, nobody, np.empty(0, np.uint8), np.empty((0, 1), np.int32), np.empty(0))


class Pca:
    """Watches the signals of each device together."""

    def __init__(self, devices: Devices | None = None, tuning: Tuning | None = None) -> None:
        """Start to learn."""
        self._tuning = tuning or Tuning()
        self._place_devices(devices or Devices.none())
        n, n_signals = self._devices.signals.shape
        self._pending = Pending.empty(n, n_signals)
        self._memory = chart.Memory.empty(n, n_signals)
        self._edges = Edges.quiet(n)

    def __len__(self) -> int:
        return len(self._devices.device)

    def configure(self, devices: Devices, *, moved: NDArray[np.int32], now: int) -> Events:
        """Watch these devices from now on; return the clearing of alarms that nobody watches any more.

        What is known of a device follows it while its signals are the same, and an alarm its rule and level too.
        `moved` is as in `Alarms.carry`.
        """
        old, pending, memory, edges = self._devices, self._pending, self._memory, self._edges
        devices = _widened(devices, old.signals.shape[1])
        self._place_devices(devices)
        n, width = devices.signals.shape
        self._pending, self._memory = Pending.empty(n, width), chart.Memory.empty(n, width)
        self._edges = Edges.quiet(n)
        row = moved[old.rule] if len(old.rule) else old.rule
        at = find(old.device.astype(np.int64), devices.device.astype(np.int64))
        there = np.flatnonzero(at >= 0)
        same = (_widened(old, width).signals[there] == devices.signals[at[there]]).all(axis=1)
        same &= (row[there] == devices.rule[at[there]]) & (old.level[there] == devices.level[at[there]])
        there, here = there[same], at[there[same]]
        for one, other in ((self._pending, pending), (self._memory, memory)):
            for f in fields(one):
                _embed(getattr(one, f.name), here, getattr(other, f.name)[there])
        self._edges.carry(edges, there, here)
        lost = edges.told.copy()
        lost[there] = False
        gone = np.flatnonzero(lost)
        return edges.withdrawn(
            gone,
            rule=np.where(row < 0, -1 - row, row)[gone],
            level=old.level[gone],
            kind=SubjectKind.DEVICE,
            subject=old.device[gone],
            limit=old.threshold[gone],
            now=now,
        )

    def step(self, batch: Batch, now: int) -> Events:
        """Return what the batch raises and clears."""
        return self.feed(Frame.of(batch), now)

    def feed(self, frame: Frame, now: int) -> Events:  # noqa: ARG002 - event time alone decides
        """Do as `step`, with the batch already cut into runs."""
        batch = frame.usable.batch
        place = self._slot[np.minimum(batch.series, len(self._slot) - 1)]
        mine = place >= 0
        rows = self._pending.join(batch.take(mine), place[mine], self._wanted)
        return Events.concat([self._round(rows, at) for at in _rounds(rows.device)])

    def snapshot(self) -> State:
        """Return copies of parameters and state."""
        state: dict[str, NDArray[Any]] = {"tuning": np.array(astuple(self._tuning), np.float64)}
        for name, part in (("devices", self._devices), ("pending", self._pending), ("memory", self._memory)):
            state |= {f"{name}.{f.name}": getattr(part, f.name).copy() for f in fields(part)}
        return state | self._edges.kept("edges.")

    def restore(self, state: State) -> None:
        """Become the detector whose snapshot this is."""
        given: dict[str, Any] = dict(state)
        tuning = {f.name: v for f, v in zip(fields(Tuning), given["tuning"].tolist(), strict=True)}
        self._tuning = Tuning(**{**tuning, "learn": int(tuning["learn"]), "hold": int(tuning["hold"])})
        given.setdefault(
            "devices.threshold", np.ones(len(given["devices.device"]))
        )  # older checkpoints have none
        self._place_devices(Devices(**{f.name: given[f"devices.{f.name}"].copy() for f in fields(Devices)}))
        self._pending = Pending.restored(given, "pending.")
        self._memory = chart.Memory.restored(given, "memory.")
        self._edges = Edges.restored(given, "edges.")

    def _place_devices(self, devices: Devices) -> None:
        """Note which slot (device × C + signal) each series has, -1 = none."""
        self._devices = devices
        self._wanted = (devices.signals > 0).sum(axis=1)
        slots = np.flatnonzero(devices.signals.ravel() > 0)
        self._slot = np.full(int(devices.signals.max(initial=0)) + 2, -1, np.intp)
        self._slot[devices.signals.ravel()[slots]] = slots

    def _round(self, rows: Rows, at: NDArray[np.intp]) -> Events:
        """Take one row of each of these devices; return what changed."""
        lane, t, live = rows.device[at], rows.t[at], rows.live[at]
        ratio, leads = chart.advance(
            self._memory, lane, rows.x[at], self._tuning, self._devices.threshold[lane]
        )
        active = self._memory.alarm[lane]
        said = self._edges.move(lane, active, t, live)
        return self._events(lane[said], ratio[said], leads[said], t=t[said], live=live[said])

    def _events(
        self,
        lane: NDArray[np.intp],
        ratio: Floats,
        leads: NDArray[np.intp],
        *,
        t: NDArray[np.int64],
        live: NDArray[np.bool_],
    ) -> Events:
        devices = self._devices
        return Events(
            rule=devices.rule[lane],
            kind=np.where(self._edges.active[lane], Kind.RAISE, Kind.CLEAR).astype(np.uint8),
            level=devices.level[lane],
            subject_kind=np.full(len(lane), SubjectKind.DEVICE, np.uint8),
            subject=devices.device[lane],
            series=devices.signals[lane, leads],
            t=t,
            since=self._edges.since[lane],
            value=ratio,
            limit=devices.threshold[lane],
            historical=~live,
        )


def _widened(devices: Devices, width: int) -> Devices:
    """Return the devices with room for at least so many signals: what was learned in more columns stays right."""
    n, has = devices.signals.shape
    if has >= width:
        return devices
    return replace(devices, signals=np.hstack([devices.signals, np.zeros((n, width - has), np.int32)]))


def _embed(column: NDArray[Any], here: NDArray[np.intp], rows: NDArray[Any]) -> None:
    """Write rows into a column that may have more signals."""
    if rows.ndim == 1:
        column[here] = rows
    elif rows.ndim == 2:
        column[here, : rows.shape[1]] = rows
    else:
        column[here, : rows.shape[1], : rows.shape[2]] = rows


def _rounds(device: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the places of the first, second, … row of every device; rows are ordered by device."""
    if not len(device):
        return []
    begins = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
    count = np.diff(begins, append=len(device))
    order = np.argsort(-count, kind="stable")
    begins, count = begins[order], count[order]
    return [begins[: int(np.searchsorted(-count, -k, side="left"))] + k for k in range(int(count[0]))]
