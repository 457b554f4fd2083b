"""Plots of benchmark files: what was seen, what is labelled, what was said; to be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.scoring.nab import Series
from service.scoring.skab import TRAIN_ROWS, Run


def plot_series(out: Path, series: Series, score: NDArray[np.float64], said: NDArray[np.bool_]) -> Path:
    """Draw values with windows and reports above, the score below; return the file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    rows = np.arange(len(series))
    upper.plot(rows, series.value, linewidth=0.5, color="0.3")
    for axes in (upper, lower):
        axes.axvspan(0, series.probation, color="0.93")
        for left, right in series.windows or ():
            axes.axvspan(left, right, color="tab:orange", alpha=0.25)
    at = np.flatnonzero(said)
    upper.plot(at, series.value[at], "v", color="tab:red", markersize=7)
    upper.set_title(f"{series.name}: windows orange, reports red, not scored grey", fontsize=9)
    lower.plot(rows, score, linewidth=0.6)
    lower.set_ylabel("S")
    return _save(figure, out, series.name)


def plot_run(out: Path, run: Run, said: NDArray[np.bool_]) -> Path:
    """Draw every channel with the labelled anomaly and our alarm; return the file."""
    from matplotlib.figure import Figure

    n = run.value.shape[1]
    figure = Figure(figsize=(12, 1.4 * n + 1), layout="constrained")
    rows = np.arange(len(run))
    panels = figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
    for axes, name, values in zip(panels.tolist(), run.channels, run.value.T, strict=True):
        axes.plot(rows, values, linewidth=0.5, color="0.3")
        low, high = np.quantile(values, [0.005, 0.995])
        axes.set_ylim(low - 0.3 * (high - low) - 1e-9, high + 0.3 * (high - low) + 1e-9)
        axes.axvspan(0, TRAIN_ROWS, color="0.93")
        truth = np.zeros(len(run), bool) if run.anomaly is None else run.anomaly
        axes.fill_between(
            rows, 0, 1, where=truth, transform=axes.get_xaxis_transform(), color="tab:orange", alpha=0.3
        )
        axes.fill_between(rows, 0, 0.12, where=said, transform=axes.get_xaxis_transform(), color="tab:red")
        axes.set_ylabel(name, rotation=0, ha="right", fontsize=7)
    figure.suptitle(f"{run.name}: labelled orange, alarm red, learning grey", fontsize=9)
    return _save(figure, out, run.name)


def _save(figure: object, out: Path, name: str) -> Path:
    path = out / Path(name).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)  # type: ignore[attr-defined]
    return path
