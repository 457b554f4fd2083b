"""`fengsui route …`: who gets an alert and why, and who is missing (docs/alerts.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from alerts.route import Stop
    from alerts.router import Router
    from core.events import SubjectKind
    from core.levels import Level
    from service.config import Config

app = typer.Typer(help="Routes: who gets an alert and why; who is missing.", no_args_is_help=True)
_HOLES = 1
_DQ_RULES = "Q-"


@app.command("test")
def try_(
    rule: Annotated[str, typer.Option("--rule", metavar="CODE", help="Rule of the alert, D-02.")],
    device: Annotated[
        str, typer.Option("--device", metavar="CODE", help="GATEWAY/DEVICE, or DEVICE where that is unique.")
    ] = "",
    enterprise: Annotated[
        str, typer.Option("--enterprise", metavar="CODE", help="Instead of a device.")
    ] = "",
    level: Annotated[str, typer.Option("--level", metavar="LEVEL", help="blue yellow orange red.")] = "red",
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="2026-11-21T23:30, or now.")] = "now",
    *,
    as_json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Print who would be told of an alert at a time, first and as it climbs, and which route led there.

    fengsui route test --rule D-02 --device gw-01/dc-1 --level red --at 2026-11-21T23:30
    """
    from core.levels import Level
    from service.cli.asking import time_at
    from service.config import load

    try:
        wanted = Level.parse(level)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--level") from None
    settings, now = load(config), time_at(at)
    router = _router(settings)
    kind, key = _subject(router, device, enterprise)
    lines = _lines(router, kind, key, rule=rule, level=wanted, now=now)
    if as_json:
        print(json.dumps({"told": lines}, ensure_ascii=False))
        return
    _print(lines)


@app.command()
def check(*, as_json: Json = False, config: ConfigFile = None) -> None:
    """Find enterprises, areas and routes for which nobody can be told.  Exit code 1: there are some.

    fengsui route check
    """
    from alerts.survey import holes
    from core.time import clock_ns
    from service.config import load

    found = list(holes(_router(load(config)), clock_ns()))
    if as_json:
        print(
            json.dumps(
                {"holes": [{"where": hole.where, "problem": hole.problem} for hole in found]},
                ensure_ascii=False,
            )
        )
    else:
        for hole in found:
            print(f"{hole.where}: {hole.problem}")
        print(f"{len(found)} holes" if found else "good: everybody can be told by somebody")
    if found:
        raise typer.Exit(_HOLES)


def holes_of(config: Config) -> str:
    """Return in words what `check` would find; the registry may be out of reach."""
    from alerts.survey import holes
    from core.errors import ServerError
    from core.time import clock_ns

    if not config.database.dsn:
        return "not looked at, no database is named"
    try:
        n = len(list(holes(_router(config), clock_ns())))
    except ServerError:
        return "not looked at, the database is away"
    return f"{n}, see `fengsui route check`" if n else "none"


def _router(config: Config) -> Router:
    """Return the router of the registry as it is now, with whoever is on duty."""
    from alerts.router import Router
    from registry.load import load_catalog
    from service.cli.asking import database_of
    from service.routes import duty_of, tree_of

    tree = tree_of(config)
    with database_of(config) as connection:
        catalog = load_catalog(connection)
    return Router(catalog, config.policy, tree, duty_of(config)(catalog))


def _subject(router: Router, device: str, enterprise: str) -> tuple[SubjectKind, int]:
    """Return what is meant.  Raises BadParameter when the registry has no such thing."""
    from core.events import SubjectKind

    directory = router.directory
    if device:
        gateway, _, code = device.rpartition("/")
        found = directory.devices.get((gateway, code)) if gateway else directory.device_by_name.get(code)
        if found is None:
            raise typer.BadParameter(
                f"no device {device!r}, or more than one: write GATEWAY/DEVICE", param_hint="--device"
            )
        return SubjectKind.DEVICE, found.id
    for key, firm in directory.firms.items():
        if firm.code == enterprise:
            return SubjectKind.ENTERPRISE, key
    raise typer.BadParameter(f"no enterprise {enterprise!r}", param_hint="--enterprise")


def _lines(
    router: Router, kind: SubjectKind, key: int, *, rule: str, level: Level, now: int
) -> list[dict[str, Any]]:
    """Return one line per recipient and channel: at once, then on every rung."""
    subject = router.book.subject(kind, key)
    dq = rule.startswith(_DQ_RULES)
    facts = router.facts_of(rule, level, subject, router.profile(kind, key), dq=dq)
    lines = [_line(router, 0.0, stop) for stop in router.explain(facts, subject, now)]
    for rung in router.policy.ladder(level, data_quality=dq).rungs:
        stops = router.on_rung(rung, subject, level, dq=dq, now=now)
        lines += [_line(router, rung.after_s, stop) for stop in stops]
    return lines


def _line(router: Router, after_s: float, stop: Stop) -> dict[str, Any]:
    contact = router.book.by_code.get(stop.recipient)
    return {
        "after_s": after_s,
        "recipient": stop.recipient,
        "name": contact.name if contact else "",
        "channel": stop.channel,
        "why": stop.why,
        "gap": stop.gap[0],
    }


def _print(lines: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("时间 after", "接收人 recipient", "渠道 channel", "依据 why", box=None, pad_edge=False)
    for line in lines:
        after = f"+{line['after_s'] / 60:g} min" if line["after_s"] else "立即 at once"
        who = f"{line['recipient']} {line['name']}"
        table.add_row(after, who, line["channel"], f"{line['why']} {line['gap']}".strip())
    Console(highlight=False, markup=False).print(table)
