"""The evaluation protocol of SKAB v0.9, the Skoltech Anomaly Benchmark (Katser and Kozitsin 2020).

Written from a statement of the protocol (waico/SKAB commit b2c0d46c), not from its code.  A corpus is a folder

    data/FOLDER/FILE.csv    datetime;channel;...;anomaly;changepoint  (labels may be absent)

The first `TRAIN_ROWS` rows of each file may be fitted (the labels are not used), the rest is scored.
A folder of files without any label is read as well, so that scores can be written for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import SourceError

from .sheet import column, data_files, read_rows

TRAIN_ROWS = 400
WINDOW_S = 60
LABELS = ("anomaly", "changepoint")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a detected change point earns, and what a false one and a missed one cost."""

    name: str
    a_tp: float
    a_fp: float
    a_fn: float


PROFILES = (
    Profile("standard", 1.0, -0.11, -1.0),
    Profile("low_FP", 1.0, -0.22, -1.0),
    Profile("low_FN", 1.0, -0.11, -2.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One experiment: name relative to data/, time in s, value[n, channel], labels or None."""

    name: str
    timestamps: tuple[str, ...]
    t_s: NDArray[np.int64]
    channels: tuple[str, ...]
    value: NDArray[np.float64]
    anomaly: NDArray[np.bool_] | None = None
    changepoint: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.value)

    @property
    def group(self) -> str:
        return self.name.rpartition("/")[0]


def load(root: Path) -> list[Run]:
    """Return the corpus below `root`; raises SourceError for a missing column or a value that is no number."""
    return [_read(path, path.relative_to(root / "data").as_posix()) for path in data_files(root)]


def _read(path: Path, name: str) -> Run:
    header, *rows = read_rows(path, ";")
    at = column(path, header, "datetime")
    channels = [i for i, title in enumerate(header) if i != at and title not in LABELS]
    try:
        value = np.array([[float(row[i]) for i in channels] for row in rows])
        t_s = np.array([_epoch_s(row[at]) for row in rows], np.int64)
    except ValueError as error:
        raise SourceError(str(path), f"a cell cannot be read ({error})", "Repair the file") from None
    labels = [
        np.array([float(row[header.index(label)]) > 0.5 for row in rows]) if label in header else None
        for label in LABELS
    ]
    return Run(
        name=name.removesuffix(".gz"),
        timestamps=tuple(row[at] for row in rows),
        t_s=t_s,
        channels=tuple(header[i] for i in channels),
        value=value,
        anomaly=labels[0],
        changepoint=labels[1],
    )


def _epoch_s(stamp: str) -> int:
    # No zone is written; only differences matter, and a zone without summer time keeps them.
    return round(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows pooled over files."""

    tp: int
    tn: int
    fp: int
    fn: int

    @property
    def f1(self) -> float:
        return self.tp / max(self.tp + (self.fp + self.fn) / 2.0, 1e-9)

    @property
    def far(self) -> float:
        """Return the share of quiet rows that were flagged, in percent."""
        return 100.0 * self.fp / max(self.fp + self.tn, 1)

    @property
    def mar(self) -> float:
        """Return the share of anomalous rows that were not flagged, in percent."""
        return 100.0 * self.fn / max(self.fn + self.tp, 1)


def confusion(corpus: Sequence[Run], flags: Sequence[NDArray[np.bool_]]) -> Confusion:
    """Return the pooled counts over the scored rows of all labelled files."""
    pairs = [
        (run.anomaly[TRAIN_ROWS:], flag[TRAIN_ROWS:])
        for run, flag in zip(corpus, flags, strict=True)
        if run.anomaly is not None
    ]
    truth = np.concatenate([pair[0] for pair in pairs])
    said = np.concatenate([pair[1] for pair in pairs])
    return Confusion(
        tp=int((truth & said).sum()),
        tn=int((~truth & ~said).sum()),
        fp=int((~truth & said).sum()),
        fn=int((truth & ~said).sum()),
    )


def change_points(flag: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the rows where the outlier flag turns; a flag at the first row counts as a turn."""
    return np.flatnonzero(np.diff(flag.astype(np.int8), prepend=0))


def windows(t_s: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return [t, t + 60 s] of each true change point; a window that reaches into the next cuts that one's start."""
    found: list[tuple[int, int]] = []
    for t in t_s.tolist():
        left = max(t, found[-1][1]) if found else t
        found.append((left, t + WINDOW_S))
    return found


def hit_value(delay: float, profile: Profile) -> float:
    """Return what a change point is worth that was seen `delay` (0..1) of its window late."""
    e = min(999, int(delay * 1000))
    half = (profile.a_tp - profile.a_fp) / 2.0
    x = -math.pi / 2.0 + math.pi * e / 999.0
    return -half * math.tanh(x) / math.tanh(math.pi / 2.0) + half + profile.a_fp


@dataclass(frozen=True, slots=True)
class Changes:
    """One profile's change-point figures; quote the score only with its false alarms."""

    profile: str
    score: float
    missed: int
    false_alarms: int
    windows: int


def score_changes(corpus: Sequence[Run], flags: Sequence[NDArray[np.bool_]], profile: Profile) -> Changes:
    """Score the turns of the outlier flag as change points."""
    raw, missed, outside, count = 0.0, 0, 0, 0
    for run, flag in zip(corpus, flags, strict=True):
        if run.changepoint is None:
            continue
        t_s = run.t_s[TRAIN_ROWS:]
        spans = windows(t_s[run.changepoint[TRAIN_ROWS:]])
        said = t_s[change_points(flag[TRAIN_ROWS:])]
        free = np.ones(len(said), bool)
        for left, right in spans:
            inside = (said >= left) & (said <= right)
            free &= ~inside
            missed += not inside.any()
            first = said[inside][0] if inside.any() else right
            late = (first - left) / max(right - left, 1)
            raw += hit_value(late, profile) if inside.any() else profile.a_fn
        raw += profile.a_fp * int(free.sum())
        outside += int(free.sum())
        count += len(spans)
    null, perfect = count * profile.a_fn, count * profile.a_tp
    return Changes(profile.name, 100.0 * (raw - null) / max(perfect - null, 1e-9), missed, outside, count)


@dataclass(frozen=True, slots=True)
class Report:
    """All figures: outliers of all files and by folder, change points by profile."""

    f1: float
    far: float
    mar: float
    by_group: dict[str, tuple[float, float, float]]
    changes: tuple[Changes, ...]


def report(corpus: Sequence[Run], flags: Sequence[NDArray[np.bool_]]) -> Report:
    """Return the figures of the labelled files; raises ValueError when there is none."""
    pairs = [(run, flag) for run, flag in zip(corpus, flags, strict=True) if run.anomaly is not None]
    if not pairs:
        raise ValueError("no labels")
    counts = {}
    for group in ("", *dict.fromkeys(run.group for run, _ in pairs)):
        mine = [(run, flag) for run, flag in pairs if group in ("", run.group)]
        found = confusion([run for run, _ in mine], [flag for _, flag in mine])
        counts[group] = (found.f1, found.far, found.mar)
    f1, far, mar = counts.pop("")
    changes = tuple(score_changes(corpus, flags, profile) for profile in PROFILES)
    return Report(f1, far, mar, counts, changes)


def blind_clock(n: int, period: int = 240) -> NDArray[np.bool_]:
    """Return a flag that toggles every `period` rows after the training part and reads nothing."""
    periods = np.maximum(np.arange(n) - TRAIN_ROWS, 0) // period
    return (periods % 2).astype(bool)
