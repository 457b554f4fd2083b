"""`fengsui score …`: the detectors held against public benchmarks (docs/detection.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

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
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Another value of a parameter, to see what depends on it."
    ),
]
_PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")


@app.command()
def nab(  # noqa: PLR0917 - the options of a command
    folder: Folder,
    as_json: Json = False,
    out: Out = None,
    plot: Plot = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help=f"Only one of {', '.join(_PROFILES)}.")
    ] = "",
    settings: Set = None,
) -> None:
    """Score the general anomaly score on a folder laid out as the Numenta Anomaly Benchmark.

    fengsui score nab NAB --out scores --plot plots
    """
    from detectors.anomaly_score import Tuning
    from service.scoring import nab, nab_run
    from service.scoring.peers import nab_peers
    from service.scoring.tables import print_nab

    if profile and profile not in _PROFILES:
        raise typer.BadParameter(f"{profile!r} is none of {', '.join(_PROFILES)}")
    tuning = _tuned(Tuning(), settings)
    corpus = nab.load(folder)
    profiles = [one for one in nab.PROFILES if profile in ("", one.name)]
    with _progress(sum(map(len, corpus))) as tick:
        report = nab_run.run(corpus, tuning=tuning, profiles=profiles, out=out, plot=plot, tick=tick)
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
    settings: Set = None,
) -> None:
    """Score T² and Q of a device's signals on a folder laid out as the Skoltech Anomaly Benchmark.

    fengsui score skab SKAB --out scores --plot plots
    fengsui score skab SKAB --set share=0.7
    """
    from detectors.pca_chart import Tuning
    from service.scoring import skab, skab_run
    from service.scoring.peers import skab_peers
    from service.scoring.tables import print_skab

    tuning = _tuned(Tuning(learn=skab.TRAIN_ROWS), settings)
    corpus = skab.load(folder)
    with _progress(sum(map(len, corpus))) as tick:
        report = skab_run.run(corpus, tuning=tuning, out=out, plot=plot, tick=tick)
    if as_json:
        print(json.dumps(asdict(report) if report else _unlabelled(len(corpus))))
    elif report:
        print_skab(report, skab_peers(folder), _console())
    else:
        _console().print(_unlabelled(len(corpus))["labels"])


def _tuned(tuning: Any, settings: list[str] | None) -> Any:
    """Return the tuning with what `--set` says; a wrong name or value is refused."""
    known = {field.name: type(getattr(tuning, field.name)) for field in fields(tuning)}
    changed = {}
    for name, _, value in (setting.partition("=") for setting in settings or ()):
        if name not in known:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(known)}")
        try:
            changed[name] = known[name](value)
        except ValueError:
            raise typer.BadParameter(f"{name}={value!r} is no {known[name].__name__}") from None
    try:
        return replace(tuning, **changed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
