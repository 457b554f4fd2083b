"""The detectors as a benchmark sees them: a corpus in, a score of every row out, strictly in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from detectors.anomaly import Anomaly, Watched
from detectors.anomaly_score import Tuning
from service.scoring.nab import Series
from service.scoring.reports import reports

# Rows of every file that one batch holds.
_CHUNK = 200
# The least height of a report that we would call an alarm on such files; see docs/detection.md.
ALARM = 0.9

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


def anomaly_scores(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return NAB's `anomaly_score` column, 0..1: h / (1 + h) where an event of height h is reported, else 0."""
    height = reports(score)
    return height / (1.0 + height)
