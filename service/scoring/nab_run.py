"""One run over a NAB folder: scores, sheets, plots, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.anomaly_score import Tuning
from service.scoring import detect, nab
from service.scoring.sheet import write_sheets


@dataclass(frozen=True, slots=True)
class NabReport:
    """Our figures and those of a clock that reads nothing, profile by profile."""

    files: int
    rows: int
    ours: tuple[nab.Result, ...]
    blind_clock: tuple[nab.Result, ...]


def run(
    corpus: Sequence[nab.Series],
    *,
    tuning: Tuning | None = None,
    profiles: Sequence[nab.Profile] = nab.PROFILES,
    out: Path | None = None,
    plot: Path | None = None,
    tick: detect.Tick = lambda _rows: None,
) -> NabReport | None:
    """Score a corpus, write what is wanted, and return the figures; None when it has no labels."""
    scores = detect.univariate(corpus, tuning=tuning, tick=tick)
    columns = [detect.anomaly_scores(score) for score in scores]
    if out:
        header = ("timestamp", "value", "anomaly_score")
        write_sheets(
            out,
            {
                series.name: (header, zip(series.timestamps, series.value, column, strict=True))
                for series, column in zip(corpus, columns, strict=True)
            },
        )
    if plot:
        from service.scoring.plot import plot_series

        for series, score, column in zip(corpus, scores, columns, strict=True):
            plot_series(plot, series, score, column >= detect.ALARM)
    if not any(series.windows for series in corpus):
        return None
    clock = [nab.blind_clock(len(series)) for series in corpus]
    return NabReport(
        files=len(corpus),
        rows=sum(map(len, corpus)),
        ours=tuple(nab.evaluate(corpus, columns, p, threshold=detect.ALARM) for p in profiles),
        blind_clock=tuple(nab.evaluate(corpus, clock, p, threshold=0.5) for p in profiles),
    )
