"""The scoring protocol of the Numenta Anomaly Benchmark, v1.1.

Written from a statement of the protocol (Lavin and Ahmad 2015, "Evaluating real-time anomaly detection
algorithms"; numenta/NAB commit ea702d75), not from its code.  A corpus is a folder

    data/FOLDER/FILE.csv             timestamp,value
    labels/combined_windows.json     file -> [[first, last], ...]; absent = nothing can be scored

A flagged row inside a window earns by how early it is; only the best of a window counts.  Every flagged
row outside costs.  One threshold for all files, chosen on the scored files themselves: quote it so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import SourceError

from .sheet import column, data_files, read_rows

PROBATION_SHARE = 0.15
PROBATION_ROWS = 5000
# A threshold above every score: nothing is flagged.
NOTHING = 1.1


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit earns, and what a false alarm and a miss cost."""

    name: str
    a_tp: float
    a_fp: float
    a_fn: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_FP_rate", 1.0, 0.22, 1.0),
    Profile("reward_low_FN_rate", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One file: name relative to data/, timestamps as written, values, windows as first and last row."""

    name: str
    timestamps: tuple[str, ...]
    value: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...] | None = None

    def __len__(self) -> int:
        return len(self.value)

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def probation(self) -> int:
        """Return how many rows are not scored."""
        return int(min(PROBATION_SHARE * len(self), PROBATION_SHARE * PROBATION_ROWS))


def load(root: Path) -> list[Series]:
    """Return the corpus below `root`; windows are None when there are no labels.

    Raises SourceError for a missing column, a value that is no number, a window that is not in its file.
    """
    corpus = [_read(path, path.relative_to(root / "data").as_posix()) for path in data_files(root)]
    labels = root / "labels" / "combined_windows.json"
    if not labels.exists():
        return corpus
    windows = json.loads(labels.read_text(encoding="utf-8"))
    return [_labelled(series, windows, labels) for series in corpus]


def _read(path: Path, name: str) -> Series:
    header, *rows = read_rows(path, ",")
    t, v = column(path, header, "timestamp"), column(path, header, "value")
    try:
        value = np.array([float(row[v]) for row in rows])
    except ValueError as error:
        raise SourceError(str(path), f"a value is no number ({error})", "Repair the file") from None
    return Series(name.removesuffix(".gz"), tuple(row[t] for row in rows), value)


def _labelled(series: Series, windows: dict[str, list[list[str]]], labels: Path) -> Series:
    row: dict[str, int] = {}
    for i, stamp in enumerate(series.timestamps):
        row.setdefault(_plain(stamp), i)
    try:
        pairs = [(row[_plain(first)], row[_plain(last)]) for first, last in windows[series.name]]
    except KeyError as error:
        raise SourceError(
            str(labels), f"{series.name}: {error} is not there", "Give labels that belong to the data"
        ) from None
    return replace(series, windows=tuple(sorted(pairs)))


def _plain(stamp: str) -> str:
    return stamp.partition(".")[0]


def sigma(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the position weight: near 1 well before a window's end, 0 at its end, -1 far after it."""
    near = 2.0 / (1.0 + np.exp(5.0 * np.minimum(y, 3.0))) - 1.0
    return np.where(y > 3.0, -1.0, near)


MAX_TP = float(sigma(np.array([-1.0]))[0])


def row_values(series: Series, profile: Profile) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return what flagging each row is worth, and the window each row lies in (-1 = none)."""
    n = len(series)
    value = np.full(n, -profile.a_fp)
    inside = np.full(n, -1)
    i = np.arange(n)
    for k, (left, right) in enumerate(series.windows or ()):
        width = right - left + 1
        after = (i[right + 1 :] - right) / max(width - 1, 1e-9)
        value[right + 1 :] = profile.a_fp * sigma(after)
        inside[left : right + 1] = k
    for left, right in series.windows or ():
        y = -(right - i[left : right + 1] + 1) / (right - left + 1)
        value[left : right + 1] = profile.a_tp * sigma(y) / MAX_TP
    return value, inside


def steps(
    series: Series, score: NDArray[np.float64], profile: Profile
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return (thresholds, descending; what each adds to the raw score when passed; raw score of silence)."""
    value, inside = row_values(series, profile)
    scored = np.arange(len(series)) >= series.probation
    order = np.flatnonzero(scored)[np.argsort(-score[scored], kind="stable")]
    gain = np.where(inside[order] < 0, value[order], 0.0)
    silence = 0.0
    for k in np.unique(inside[scored & (inside >= 0)]):
        mine = np.flatnonzero(inside[order] == k)
        best = np.maximum.accumulate(value[order[mine]])
        gain[mine] = np.diff(best, prepend=-profile.a_fn)
        silence -= profile.a_fn
    return score[order], gain, silence


def curves(
    corpus: Sequence[Series], scores: Sequence[NDArray[np.float64]], profile: Profile
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return every threshold, descending from `NOTHING`, and the raw score of each file at each: (K,), (F, K)."""
    thresholds = np.unique(np.concatenate([*scores, [NOTHING]]))[::-1]
    raw = np.empty((len(corpus), len(thresholds)))
    for f, (series, score) in enumerate(zip(corpus, scores, strict=True)):
        at, gain, silence = steps(series, score, profile)
        passed = np.searchsorted(-at, -thresholds, side="right")
        raw[f] = silence + np.concatenate([[0.0], np.cumsum(gain)])[passed]
    return thresholds, raw


def normalise(raw: float, n_windows: int, profile: Profile) -> float:
    """Return the score: 0 for silence, 100 for the first row of every window and nothing else."""
    null = -profile.a_fn * n_windows
    return 100.0 * (raw - null) / (profile.a_tp * n_windows - null)


@dataclass(frozen=True, slots=True)
class Result:
    """One profile's figures; `*_raw` figures are normalised to 0..100 (silence..perfect).

    optimised   threshold chosen on these very files, as the benchmark does for every published peer
    lofo, lo1   threshold chosen without the folder (the file) that is scored with it
    fixed       at the threshold that the detector comes with
    """

    profile: str
    optimised: float
    threshold: float
    lofo: float
    lo1: float
    fixed: float
    caught: int
    windows: int
    flags: int
    false_flags: int
    folders: dict[str, float]


def evaluate(
    corpus: Sequence[Series],
    scores: Sequence[NDArray[np.float64]],
    profile: Profile,
    *,
    threshold: float,
) -> Result:
    """Score one profile; `threshold` is the detector's own; counts are those at the optimised threshold."""
    thresholds, raw = curves(corpus, scores, profile)
    n_windows = sum(len(series.windows or ()) for series in corpus)
    total = raw.sum(axis=0)
    best = int(np.argmax(total))
    folders = [series.folder for series in corpus]
    lofo = _left_out(raw, folders)
    lo1 = _left_out(raw, [series.name for series in corpus])
    fixed = total[np.searchsorted(-thresholds, -threshold, side="right") - 1]
    caught, flags, false_flags = _count(corpus, scores, float(thresholds[best]))
    return Result(
        profile=profile.name,
        optimised=normalise(float(total[best]), n_windows, profile),
        threshold=float(thresholds[best]),
        lofo=normalise(float(lofo.sum()), n_windows, profile),
        lo1=normalise(float(lo1.sum()), n_windows, profile),
        fixed=normalise(float(fixed), n_windows, profile),
        caught=caught,
        windows=n_windows,
        flags=flags,
        false_flags=false_flags,
        folders=_by_folder(corpus, lofo, profile),
    )


def _left_out(raw: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Return each file's raw score at the threshold that is best for all files of other groups."""
    total = raw.sum(axis=0)
    chosen = np.empty(len(raw))
    for group in set(groups):
        mine = np.array([g == group for g in groups])
        chosen[mine] = raw[mine, int(np.argmax(total - raw[mine].sum(axis=0)))]
    return chosen


def _by_folder(corpus: Sequence[Series], raw: NDArray[np.float64], profile: Profile) -> dict[str, float]:
    scores = {}
    for folder in dict.fromkeys(series.folder for series in corpus):
        mine = [f for f, series in enumerate(corpus) if series.folder == folder]
        n_windows = sum(len(corpus[f].windows or ()) for f in mine)
        if n_windows:
            scores[folder] = normalise(float(raw[mine].sum()), n_windows, profile)
    return scores


def _count(
    corpus: Sequence[Series], scores: Sequence[NDArray[np.float64]], threshold: float
) -> tuple[int, int, int]:
    caught = flags = false_flags = 0
    for series, score in zip(corpus, scores, strict=True):
        flagged = score >= threshold
        flagged[: series.probation] = False
        _, inside = row_values(series, PROFILES[0])
        caught += len(np.unique(inside[flagged & (inside >= 0)]))
        flags += int(flagged.sum())
        false_flags += int((flagged & (inside < 0)).sum())
    return caught, flags, false_flags


def blind_clock(n: int, share: float = 0.05) -> NDArray[np.float64]:
    """Return a score that flags one row in every `share` of a file and reads nothing: what guessing earns."""
    score = np.zeros(n)
    score[(np.arange(share, 1.0, share) * n).astype(int)] = 1.0
    return score
