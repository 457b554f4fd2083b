"""The detectors as a benchmark sees them: a corpus in, a score of every row out, strictly in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.events import Kind
from detectors.anomaly import Anomaly, Watched
from detectors.anomaly_score import Tuning
from detectors.pca import Devices, Pca
from detectors.pca_chart import Tuning as PcaTuning
from service.scoring.nab import Series
from service.scoring.reports import reports
from service.scoring.skab import TRAIN_ROWS, Run

# Rows of every file that one batch holds.
_CHUNK = 200
# The height from which a report is an alarm under NAB's costs, where a false alarm is cheap; a plant wants more.
HEIGHT = 0.85

Tick = Callable[[int], None]


def univariate(
    corpus: Sequence[Series], *, tuning: Tuning | None = None, tick: Tick = lambda _rows: None
) -> list[NDArray[np.float64]]:
    """Return S of every row of every file (NaN while warming up); all files advance together, row by row.

    The detector sees a row's value and its place in the order; never its timestamp, the file's length or range.
    """
    detector = Anomaly(Watched.of(np.arange(len(corpus), dtype=np.int32)), tuning=tuning)
    scores = [np.empty(len(series)) for series in corpus]
    for start in range(0, max(map(len, corpus), default=0), _CHUNK):
        rows = [np.arange(start, min(start + _CHUNK, len(series))) for series in corpus]
        batch = _batch(corpus, rows)
        found = np.split(detector.scores(batch), np.cumsum([len(r) for r in rows])[:-1])
        for score, row, part in zip(scores, rows, found, strict=True):
            score[row] = part
        tick(len(batch))
    return scores


def _batch(corpus: Sequence[Series], rows: Sequence[NDArray[np.intp]]) -> Batch:
    return Batch.of(
        np.repeat(np.arange(len(corpus), dtype=np.int32), [len(r) for r in rows]),
        np.concatenate(rows).astype(np.int64) * 1000,
        np.concatenate([series.value[r] for series, r in zip(corpus, rows, strict=True)]),
    )


def column_of(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return NAB's `anomaly_score`, 0..1, from heights."""
    return height / (1.0 + height)


# The threshold on `anomaly_score` that the detector comes with.
ALARM = HEIGHT / (1.0 + HEIGHT)


def anomaly_scores(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column `anomaly_score` from S: positive at the rows where an event is reported, else 0."""
    return column_of(reports(score))


def multivariate(
    corpus: Sequence[Run], *, tuning: PcaTuning | None = None, tick: Tick = lambda _rows: None
) -> list[NDArray[np.bool_]]:
    """Return whether the alarm of `detectors.pca` is on, for every row of every file; False while it learns.

    Each file is a device of its own that learns from its first `TRAIN_ROWS` rows, as the protocol allows.
    """
    width = max((run.value.shape[1] for run in corpus), default=1)
    signals = np.zeros((len(corpus), width), np.int32)
    for d, run in enumerate(corpus):
        signals[d, : run.value.shape[1]] = 1 + d * width + np.arange(run.value.shape[1])
    n = len(corpus)
    devices = Devices(
        np.arange(n, dtype=np.int32), np.zeros(n, np.int32), np.ones(n, np.uint8), signals, np.ones(n)
    )
    detector = Pca(devices, tuning or PcaTuning(learn=TRAIN_ROWS))
    edges = [np.zeros(len(run) + 1, np.int8) for run in corpus]
    for start in range(0, max(map(len, corpus), default=0), _CHUNK):
        batch = _rows(corpus, signals, start)
        events = detector.step(batch, 0)
        for d, t, kind in zip(events.subject, events.t // 1000, events.kind, strict=True):
            edges[d][t] = 1 if kind == Kind.RAISE else -1
        tick(len(batch) // width)
    return [np.cumsum(edge[:-1]) > 0 for edge in edges]


def _rows(corpus: Sequence[Run], signals: NDArray[np.int32], start: int) -> Batch:
    series, t, value = [], [], []
    for run, keys in zip(corpus, signals, strict=True):
        part = run.value[start : start + _CHUNK]
        series.append(np.tile(keys[: part.shape[1]], len(part)))
        t.append(np.repeat(np.arange(start, start + len(part)), part.shape[1]) * 1000)
        value.append(part.ravel())
    return Batch.of(np.concatenate(series), np.concatenate(t), np.concatenate(value))
