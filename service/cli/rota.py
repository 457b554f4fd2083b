"""`fengsui rota …`: who is on duty when, and calendars in and out (docs/registry.md)."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerts.rota import Shift
    from alerts.rota_days import WorkDays
    from registry.catalog import Catalog
    from registry.rota import Rota

app = typer.Typer(help="Duty rotas: show, import, export, swap.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(metavar="ROTA", help="The rota's code; without it, all.")]
From = Annotated[
    datetime | None,
    typer.Option("--from", metavar="DAY", formats=["%Y-%m-%d"], help="First day; default today."),
]
_HOLES = 1


@app.command()
def show(
    code: Code = "",
    *,
    from_: From = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days.")] = 14,
    as_json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Print who is on duty, shift by shift; exit code 1 when nobody is at some time.

    fengsui rota show --from 2026-10-01 --days 8
    """
    from alerts.rota import shifts
    from core.time import DAY

    catalog, work_day = _catalog(config)
    tables = []
    for rota in _chosen(catalog, code):
        begin = _midnight(from_, rota)
        tables.append((rota, shifts(rota, begin, begin + days * DAY, work_day)))
    if as_json:
        print(
            json.dumps(
                {"rotas": [_plain(rota, found, catalog) for rota, found in tables]}, ensure_ascii=False
            )
        )
    else:
        for rota, found in tables:
            _print(rota, found, catalog, work_day)
    if any(not shift.who for _rota, found in tables for shift in found):
        raise typer.Exit(_HOLES)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Rotas in TOML, or a calendar in iCalendar.")],
    *,
    rota: Annotated[str, typer.Option("--rota", metavar="CODE", help="Which rota a calendar is for.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How far a calendar is read.")] = 90,
    from_: From = None,
    config: ConfigFile = None,
) -> None:
    """Take over rotas from a file; or a calendar whose events name who is on duty, as overrides of one rota.

    fengsui rota import rotas.toml
    fengsui rota import duty.ics --rota E01-nights
    """
    if file.suffix.lower() == ".ics":
        _import_calendar(file, rota, from_, days, config)
        return
    _django(config)
    from registry.rota_file import import_rotas

    codes = import_rotas(file)
    print(f"{file}: imported {', '.join(codes) or 'nothing'}")


@app.command()
def export(
    code: Code = "",
    *,
    from_: From = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days.")] = 90,
    config: ConfigFile = None,
) -> None:
    """Print shifts as iCalendar, for people's own calendars.

    fengsui rota export E01-nights --days 30 > duty.ics
    """
    from alerts.rota_ical import export as to_calendar
    from core.time import DAY

    catalog, work_day = _catalog(config)
    rotas = _chosen(catalog, code)
    begin = min((_midnight(from_, rota) for rota in rotas), default=0)
    names = {contact.code: contact.name for contact in catalog.contacts}
    sys.stdout.buffer.write(to_calendar(rotas, begin, begin + days * DAY, work_day, names))


@app.command()
def override(
    code: Annotated[str, typer.Argument(metavar="ROTA")],
    *,
    begin: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%dT%H:%M"], help="In the rota's zone.")
    ],
    end: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%dT%H:%M"], help="In the rota's zone.")],
    who: Annotated[str, typer.Option("--who", help="A contact's code; a + b for two together.")],
    instead_of: Annotated[str, typer.Option("--instead-of", help="Only instead of this one.")] = "",
    note: Annotated[str, typer.Option("--note")] = "",
    config: ConfigFile = None,
) -> None:
    """Put somebody else on duty for a while.

    fengsui rota override E01-nights --from 2026-02-16T20:00 --until 2026-02-17T08:00 --who E01-wang --note 春节
    """
    with _rota(code, config) as rota:
        _add(rota, begin, end, who=who, instead_of=instead_of, note=note)
    print(f"{code}: {who} from {begin:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M}")


@app.command()
def swap(
    code: Annotated[str, typer.Argument(metavar="ROTA")],
    one: Annotated[str, typer.Argument(metavar="CONTACT")],
    other: Annotated[str, typer.Argument(metavar="CONTACT")],
    *,
    begin: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%dT%H:%M"], help="In the rota's zone.")
    ],
    end: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%dT%H:%M"], help="In the rota's zone.")],
    note: Annotated[str, typer.Option("--note")] = "",
    config: ConfigFile = None,
) -> None:
    """Let two people swap all their shifts within a time.

    fengsui rota swap E01-nights E01-li E01-wang --from 2026-02-16T08:00 --until 2026-03-02T08:00
    """
    with _rota(code, config) as rota:
        _add(rota, begin, end, who=one, instead_of=other, note=note)
        _add(rota, begin, end, who=other, instead_of=one, note=note)
    print(f"{code}: {one} and {other} swap from {begin:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M}")


# ── writing ───────────────────────────────────────────────────────────────────
@contextmanager
def _rota(code: str, config: Path | None) -> Iterator[Any]:
    """Give a rota's model within a transaction; what a person wrote wrongly is said in one line."""
    _django(config)
    from django.core.exceptions import ValidationError
    from django.db import transaction

    from core.errors import TownError
    from registry.models import Rota

    found = Rota.objects.filter(code=code).first()
    if found is None:
        raise _no_rota(code, list(Rota.objects.values_list("code", flat=True)))
    try:
        with transaction.atomic():
            yield found
    except ValidationError as error:
        raise TownError(f"rota {code}", "; ".join(error.messages), "Nothing was changed.") from error


def _add(rota: Any, begin: datetime, end: datetime, **words: str) -> None:
    from registry.models import RotaOverride

    zone = ZoneInfo(rota.zone)
    made = RotaOverride(rota=rota, begin=begin.replace(tzinfo=zone), end=end.replace(tzinfo=zone), **words)
    made.full_clean()
    made.save()


def _import_calendar(file: Path, code: str, from_: datetime | None, days: int, config: Path | None) -> None:
    """Replace what came from the same file before, as far as the time that is read."""
    from alerts.rota_ical import read
    from core.errors import TownError
    from core.time import DAY, to_datetime

    catalog, _work_day = _catalog(config)
    (one,) = _chosen(catalog, code) if code else (None,)
    if one is None:
        raise typer.BadParameter("name the rota that the calendar is for", param_hint="--rota")
    people = {contact.name: contact.code for contact in catalog.contacts}
    people |= {contact.code: contact.code for contact in catalog.contacts}
    begin = _midnight(from_, one)
    try:
        found = read(file.read_bytes(), begin, begin + days * DAY, people, zone=one.zone)
    except (OSError, ValueError) as error:
        raise TownError(str(file), f"is no calendar: {error}", "Export it as .ics (iCalendar).") from error
    if found.problems:
        raise TownError(
            str(file),
            "names nobody we know in " + "; ".join(found.problems[:5]),
            "Write a contact's code or name into the title of each event; nothing was imported.",
        )
    with _rota(code, config) as rota:
        rota.overrides.filter(source=file.name, end__gt=to_datetime(begin)).delete()
        for each in found.overrides:
            rota.overrides.create(
                begin=to_datetime(each.begin),
                end=to_datetime(each.end),
                who=" + ".join(each.who),
                source=file.name,
            )
    print(f"{file}: {len(found.overrides)} overrides of {code}")


# ── reading ───────────────────────────────────────────────────────────────────
def _django(config: Path | None) -> None:
    from service.config import load
    from service.orm import setup

    setup(load(config))


def _catalog(config: Path | None) -> tuple[Catalog, WorkDays]:
    import psycopg

    from core.errors import ServerError
    from registry.load import load_catalog
    from service.config import load

    chosen = load(config)
    try:
        with psycopg.connect(
            chosen.database.dsn, connect_timeout=chosen.database.connect_timeout_s
        ) as connection:
            return load_catalog(connection), chosen.rota.days
    except psycopg.OperationalError as lost:
        raise ServerError(f"the database cannot be reached: {str(lost).strip()}. Is it running?") from lost


def _chosen(catalog: Catalog, code: str) -> list[Rota]:
    found = [rota for rota in catalog.rotas if code in ("", rota.code)]
    if code and not found:
        raise _no_rota(code, [rota.code for rota in catalog.rotas])
    return found


def _no_rota(code: str, known: Sequence[str]) -> typer.BadParameter:
    return typer.BadParameter(f"there is no rota {code!r}; there are: {', '.join(known) or 'none'}")


def _midnight(day: datetime | None, rota: Rota) -> int:
    from core.time import from_datetime

    zone = ZoneInfo(rota.zone)
    return from_datetime(datetime.combine((day or datetime.now(zone)).date(), time(0), zone))


def _plain(rota: Rota, found: Sequence[Shift], catalog: Catalog) -> dict[str, Any]:
    from core.time import to_datetime

    zone, names = ZoneInfo(rota.zone), {contact.code: contact.name for contact in catalog.contacts}
    return {
        "code": rota.code,
        "name": rota.name,
        "role": rota.role,
        "shifts": [
            {
                "begin": to_datetime(shift.begin).astimezone(zone).isoformat(),
                "end": to_datetime(shift.end).astimezone(zone).isoformat(),
                "who": list(shift.who),
                "names": [names.get(code, "") for code in shift.who],
            }
            for shift in found
        ],
    }


def _print(rota: Rota, found: Sequence[Shift], catalog: Catalog, work_day: WorkDays) -> None:
    """Print one rota; days off and guessed years are marked, strangers and holes stand out."""
    from rich.console import Console
    from rich.table import Table

    from alerts.rota_days import announced
    from core.time import to_datetime

    zone, names = ZoneInfo(rota.zone), {contact.code: contact.name for contact in catalog.contacts}
    table = Table(
        title=f"{rota.name} ({rota.code}) · {rota.role} · {rota.zone}", title_justify="left", box=None
    )
    for head in ("from", "until", "day", "on duty"):
        table.add_column(head)
    for shift in found:
        begin, end = (to_datetime(t).astimezone(zone) for t in (shift.begin, shift.end))
        who = "、".join(f"{names.get(code, '不在册 unknown')} ({code})" for code in shift.who)
        kind = "工作日 work" if work_day(begin.date()) else "休息日 off"
        kind += "" if announced(begin.year) else " ?"
        table.add_row(
            f"{begin:%Y-%m-%d %a %H:%M}", f"{end:%Y-%m-%d %a %H:%M}", kind, who or "[bold red]无人 nobody[/]"
        )
    console = Console(highlight=False)
    console.print(table)
    if any(not announced(to_datetime(shift.begin).astimezone(zone).year) for shift in found):
        console.print(
            "? 该年节假日安排尚未公布，按周末推算 / holidays not announced yet: [rota] work_days, rest_days"
        )
