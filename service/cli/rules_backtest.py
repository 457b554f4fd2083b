"""`fengsui rules backtest`: which alerts there would have been, from recordings or from the store's own history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from core.batch import Batch
    from detectors.rulebook import RuleText
    from registry.catalog import Catalog
    from service.backtest import Alarm, Line
    from service.config import Config


def register(app: typer.Typer) -> None:
    """Add the command to `fengsui rules`."""
    app.command("backtest")(backtest)


@dataclass(frozen=True, slots=True)
class _Material:
    """What is played: the catalog that it belongs to, its readings in order, and how many they are."""

    catalog: Catalog
    batches: Iterator[Batch]
    n_readings: int


def backtest(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE…", help="Recordings, CSV or CSV.gz.")
    ] = None,
    *,
    mapping: Annotated[
        str, typer.Option(help="What the columns of the files mean: a mapping, or the name of a shipped one.")
    ] = "",
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Instead of files: the store's readings.")
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Up to when, else until now.")] = "",
    devices: Annotated[
        list[str] | None, typer.Option("--device", metavar="GATEWAY/DEVICE", help="Of the store, only these.")
    ] = None,
    packs: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PACK", help="Another rule pack, beside those of the configuration."),
    ] = None,
    on: Annotated[list[str] | None, typer.Option("--on", metavar="CODE", help="Switch a rule on.")] = None,
    numbers: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="D-06.upper=1200", help="Another number, for all devices."),
    ] = None,
    profile: Annotated[str, typer.Option(help="Play the devices as if they were of this profile.")] = "",
    runs: Annotated[str, typer.Option(help="Of recordings in runs, only these: 1-5,7.")] = "",
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw them.")] = None,
    as_json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Play readings through limits and rules and print which alerts there would have been.

    fengsui rules backtest CurrentVoltage.csv --mapping transformer_voltage --profile load_meter --plot alarms.png
    fengsui rules backtest --from "2026-11-01 00:00" --to "2026-11-02 00:00" --device gw-01/dc-1 --on A-01
    """
    from service.backtest import summary
    from service.config import load

    if bool(files) == bool(since) or bool(files) != bool(mapping):
        raise typer.BadParameter("give either files with --mapping, or --from")
    chosen = load(config)
    rules = _rules(chosen, packs or [], on or [])
    with _bar() as told:
        material = (
            _recorded(files, mapping, runs, told)
            if files
            else _stored(chosen, since, until, devices or [], told)
        )
        catalog = _changed(material.catalog, profile, numbers or [], rules)
        played, alarms = _played(material, catalog, rules, chosen, keep=plot is not None, told=told)
    lines = summary(alarms, begin=played.begin, end=played.end, n_devices=played.n_devices)
    if plot:
        _draw(plot, played.batches, alarms, catalog, rules)
    if as_json:
        print(json.dumps(_plain(played, lines, alarms, catalog), ensure_ascii=False))
    else:
        _print(played, lines, alarms, catalog)


def _rules(chosen: Config, packs: Sequence[Path], on: Sequence[str]) -> tuple[RuleText, ...]:
    from dataclasses import replace

    from service.rules import rules_of

    mine = replace(
        chosen.rules,
        packs=(*chosen.rules.packs, *map(str, packs)),
        on=(*chosen.rules.on, *on),
        off=tuple(code for code in chosen.rules.off if code not in on),
    )
    return rules_of(mine)


def _changed(catalog: Catalog, profile: str, numbers: Sequence[str], rules: Sequence[RuleText]) -> Catalog:
    from service.backtest import as_profile, with_numbers
    from service.rules import unknown_parameters

    said = _numbers(numbers)
    if unknown := unknown_parameters(rules, said):
        raise typer.BadParameter(f"no rule has {', '.join(unknown)}")
    return with_numbers(as_profile(catalog, profile) if profile else catalog, said)


def _numbers(texts: Sequence[str]) -> dict[str, float]:
    try:
        return {name: float(value) for name, _, value in (text.partition("=") for text in texts)}
    except ValueError as error:
        raise typer.BadParameter(f"--set takes D-06.upper=1200: {error}") from error


def _recorded(files: Sequence[Path], mapping: str, runs: str, told: _Told) -> _Material:
    from service.backtest import pieces, readings_of
    from service.cli.replay import numbers
    from service.town_catalog import read
    from simulators.mapping import find, load, town_of
    from simulators.recording import Recording

    path = find(mapping)
    meaning = load(path)
    catalog = read(town_of(meaning, path))
    told("reading", None)
    recordings = (Recording(file, meaning, numbers(runs)) for file in files)
    batch = readings_of(recordings, catalog, lambda n: told("", n))
    return _Material(catalog, pieces(batch), len(batch))


def _stored(chosen: Config, since: str, until: str, devices: Sequence[str], told: _Told) -> _Material:
    import psycopg

    from core.errors import ServerError
    from core.time import clock_ns
    from registry.load import load_catalog
    from service.cli.asking import time_at
    from storage import history

    begin = time_at(since)
    end = time_at(until) if until else clock_ns()
    database = chosen.database
    try:
        connection = psycopg.connect(
            database.dsn, connect_timeout=database.connect_timeout_s, autocommit=True
        )
        catalog = _only(load_catalog(connection), devices)
    except psycopg.OperationalError as lost:
        raise ServerError(f"the database cannot be reached: {str(lost).strip()}. Is it running?") from lost
    keys = [key for d in catalog.devices.values() for key in (*d.series.values(), *d.facts.values())]

    def read() -> Iterator[Batch]:
        with connection:
            for _end, batch in history.batches(connection, keys, begin, end):
                yield batch

    told("playing", None)
    return _Material(catalog, read(), 0)


def _only(catalog: Catalog, devices: Sequence[str]) -> Catalog:
    from dataclasses import replace

    found = {key: device for key, device in catalog.devices.items() if "/".join(key) in devices}
    if missing := sorted(set(devices) - {"/".join(key) for key in found}):
        raise typer.BadParameter(f"--device: there is no {', '.join(missing)} in the registry")
    return replace(catalog, devices=found) if devices else catalog


@dataclass(slots=True)
class _Played:
    """What was played: counts, the first and last time, and, for a picture, the readings."""

    n_devices: int
    n_readings: int = 0
    begin: int = 0
    end: int = 0
    batches: tuple[Batch, ...] = ()


def _played(
    material: _Material,
    catalog: Catalog,
    rules: Sequence[RuleText],
    chosen: Config,
    *,
    keep: bool,
    told: _Told,
) -> tuple[_Played, list[Alarm]]:
    from service.backtest import plan_for, play

    seen: set[int] = set()
    played = _Played(0)

    def noted() -> Iterator[Batch]:
        for batch in material.batches:
            if len(batch):
                played.begin = played.begin or int(batch.t.min())
                played.end = int(batch.t.max())
                played.n_readings += len(batch)
                seen.update(catalog.device[batch.series].tolist())
                played.batches += (batch,) if keep else ()
            yield batch

    told("playing", material.n_readings or None)
    alarms = play(plan_for(catalog, chosen.watch, rules), noted(), lambda n: told("", n))
    played.n_devices = len(seen)
    return played, alarms


def _draw(
    out: Path, batches: Sequence[Batch], alarms: Sequence[Alarm], catalog: Catalog, rules: Sequence[RuleText]
) -> None:
    import numpy as np

    from core.batch import Batch
    from service.backtest_plot import plot

    if not batches:
        return
    columns = (
        np.concatenate([getattr(b, name) for b in batches]) for name in ("series", "t", "value", "quality")
    )
    conditions = {
        rule.code: rule.signals for rule in rules if rule.when is not None or rule.method != "value"
    }
    plot(out, Batch.of(*columns), alarms, catalog, conditions)


# ── what is said ──────────────────────────────────────────────────────────────
def _print(played: _Played, lines: Sequence[Line], alarms: Sequence[Alarm], catalog: Catalog) -> None:
    from rich.console import Console
    from rich.table import Table

    from core.time import DAY, local_text

    console = Console(highlight=False, markup=False)
    days = (played.end - played.begin) / DAY
    console.print(f"{played.n_readings} readings of {played.n_devices} devices, {days:.2f} days")
    if not lines:
        console.print("no alarm")
        return
    table = Table("rule", "", "level", "raises", "of", "per day", "of the time", "first at")
    for one in lines:
        share, rate = f"{one.share:.1%}", f"{one.per_device_day:.3g}"
        cells = (str(one.raises), str(one.subjects), rate, share, local_text(one.first))
        table.add_row(one.rule, one.title, one.level.en, *cells)
    console.print(table)
    first = Table("rule", "about", "level", "raised", "cleared", "value", "limit", title="the first twenty")
    for alarm in alarms[:20]:
        end = local_text(alarm.cleared) if alarm.cleared else "still there at the end"
        numbers = (f"{alarm.value:.4g}", f"{alarm.limit:.4g}")
        first.add_row(
            alarm.rule, _name(alarm, catalog), alarm.level.en, local_text(alarm.raised), end, *numbers
        )
    console.print(first)


def _name(alarm: Alarm, catalog: Catalog) -> str:
    subject = catalog.subjects.get((alarm.kind, alarm.subject))
    return subject.name if subject else str(alarm.subject)


def _plain(
    played: _Played, lines: Sequence[Line], alarms: Sequence[Alarm], catalog: Catalog
) -> Mapping[str, Any]:
    from core.time import to_datetime

    def when(t: int) -> str | None:
        return to_datetime(t).isoformat() if t else None

    def number(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {
        "readings": played.n_readings,
        "devices": played.n_devices,
        "from": when(played.begin),
        "to": when(played.end),
        "rules": [asdict(one) | {"level": one.level.en, "first": when(one.first)} for one in lines],
        "alarms": [
            {
                "rule": a.rule, "level": a.level.en, "about": _name(a, catalog), "subject_kind": a.kind.name.lower(),
                "subject": a.subject, "since": when(a.since), "raised": when(a.raised), "cleared": when(a.cleared),
                "value": number(a.value), "limit": number(a.limit),
            }
            for a in alarms
        ],
    }  # fmt: skip


# (what begins, or "" for more of it; how many there are, or how many are done)
_Told = Callable[[str, int | None], None]


@contextmanager
def _bar() -> Iterator[_Told]:
    """Show what is being done and how far it is, on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def told(what: str, n: int | None) -> None:
            if what:
                progress.reset(task, description=what, total=n)
            else:
                progress.advance(task, n or 0)

        yield told
