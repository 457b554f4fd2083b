"""One run over a SKAB folder: flags, sheets, plots, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.pca_chart import Tuning
from service.scoring import detect, skab
from service.scoring.sheet import write_sheets


@dataclass(frozen=True, slots=True)
class SkabReport:
    """Our figures and those of a clock that reads nothing."""

    files: int
    rows: int
    ours: skab.Report
    blind_clock: skab.Report


def run(
    corpus: Sequence[skab.Run],
    *,
    tuning: Tuning | None = None,
    out: Path | None = None,
    plot: Path | None = None,
    tick: detect.Tick = lambda _rows: None,
) -> SkabReport | None:
    """Judge a corpus, write what is wanted, and return the figures; None when it has no labels."""
    flags = detect.multivariate(corpus, tuning=tuning, tick=tick)
    if out:
        write_sheets(
            out,
            {
                run.name: (
                    ("datetime", "anomaly"),
                    zip(run.timestamps, flag.astype(int).tolist(), strict=True),
                )
                for run, flag in zip(corpus, flags, strict=True)
            },
        )
    if plot:
        from service.scoring.plot import plot_run

        for one, flag in zip(corpus, flags, strict=True):
            plot_run(plot, one, flag)
    labelled = [one for one in corpus if one.anomaly is not None]
    if not labelled:
        return None
    clock = [skab.blind_clock(len(one)) for one in corpus]
    return SkabReport(
        files=len(labelled),
        rows=sum(len(one) - skab.TRAIN_ROWS for one in labelled),
        ours=skab.report(corpus, flags),
        blind_clock=skab.report(corpus, clock),
    )
