"""`fengsui score …`: the detectors held against public benchmarks (docs/detection.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.cli.options import Json

app = typer.Typer(help="The detectors held against public benchmarks.", no_args_is_help=True)
Folder = Annotated[
    Path, typer.Argument(help="Folder with data/FOLDER/FILE.csv, as the benchmark has it.", exists=True)
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write the score of every row, one CSV per file.")
]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="DIR", help="Draw every file.")]
_PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


@app.command()
def nab(
    folder: Folder,
    as_json: Json = False,
    out: Out = None,
    plot: Plot = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help=f"Only one of {', '.join(_PROFILES)}.")
    ] = "",
) -> None:
    """Score the general anomaly score on a folder laid out as the Numenta Anomaly Benchmark.

    fengsui score nab NAB --out scores --plot plots
    """
    from service.scoring import nab, nab_run
    from service.scoring.peers import nab_peers
    from service.scoring.tables import print_nab

    if profile and profile not in _PROFILES:
        raise typer.BadParameter(f"{profile!r} is none of {', '.join(_PROFILES)}")
    corpus = nab.load(folder)
    profiles = [one for one in nab.PROFILES if profile in ("", one.name)]
    with _progress(sum(map(len, corpus))) as tick:
        report = nab_run.run(corpus, profiles=profiles, out=out, plot=plot, tick=tick)
    if as_json:
        print(json.dumps(asdict(report) if report else _unlabelled(len(corpus))))
    elif report:
        print_nab(report, nab_peers(folder), _console())
    else:
        _console().print(_unlabelled(len(corpus))["labels"])


@app.command()
def skab(
    folder: Folder,
    as_json: Json = False,
    out: Out = None,
    plot: Plot = None,
    share: Annotated[
        float, typer.Option(help="Share of the variance that T² covers; Q holds the rest.", min=0.05, max=1.0)
    ] = 1.0,
) -> None:
    """Score T² and Q of a device's signals on a folder laid out as the Skoltech Anomaly Benchmark.

    fengsui score skab SKAB --out scores --plot plots
    """
    from detectors.pca_chart import Tuning
    from service.scoring import skab, skab_run
    from service.scoring.peers import skab_peers
    from service.scoring.tables import print_skab

    corpus = skab.load(folder)
    tuning = Tuning(learn=skab.TRAIN_ROWS, share=share)
    with _progress(sum(map(len, corpus))) as tick:
        report = skab_run.run(corpus, tuning=tuning, out=out, plot=plot, tick=tick)
    if as_json:
        print(json.dumps(asdict(report) if report else _unlabelled(len(corpus))))
    elif report:
        print_skab(report, skab_peers(folder), _console())
    else:
        _console().print(_unlabelled(len(corpus))["labels"])


def _console() -> Console:
    return Console(highlight=False, markup=False)


def _unlabelled(n_files: int) -> dict[str, int | str]:
    return {"files": n_files, "labels": "none: nothing to score; --out writes the scores of every row"}


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[int], None]]:
    """Show how far the rows are, on standard error; yields what is called with rows that are done."""
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=rows)
        yield lambda done: progress.advance(task, done)
