"""`fengsui registry …`: who and what exists (docs/registry.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile

if TYPE_CHECKING:
    from registry.importer.plan import Plan
    from registry.importer.town import Held, Key

app = typer.Typer(
    help="Areas, enterprises, contacts, gateways, devices, series, limits.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NAMES = ("name", "name_zh", "role", "level", "profile", "enterprise", "area", "parent", "place", "unit")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A town in TOML or CSV.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, change nothing.")
    ] = False,
    retire_missing: Annotated[
        bool,
        typer.Option(
            "--retire-missing", help="Take out of service what the enterprises of the file no longer have."
        ),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Make the registry say what a file says; the same file twice changes nothing.

    fengsui registry import town.toml --dry-run
    """
    _django(config)
    from registry.importer.run import import_town

    plan = import_town(file, dry_run=dry_run, retire_missing=retire_missing)
    _tell(plan, file, dry_run=dry_run)
    _tell_unknown(plan, config)


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="area, enterprise, contact, gateway, device or series; without it, counts.")
    ] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Print counts of everything, or all rows of a kind.

    fengsui registry list gateway
    """
    held = _held(config)
    if not kind:
        counts = {
            name: [len(rows), sum(row.get("active", True) for row in rows.values())]
            for name, rows in held.items()
        }
        if as_json:
            print(json.dumps({name: {"all": n, "active": active} for name, (n, active) in counts.items()}))
        else:
            _print_table(
                ("", "all", "active"), [(name, str(n), str(active)) for name, (n, active) in counts.items()]
            )
        return
    rows = held.get(kind) or held.get(kind.removesuffix("s"))
    if rows is None:
        raise typer.BadParameter(f"{kind!r} is none of {' '.join(held)}")
    if as_json:
        print(json.dumps([_plain(key, row) for key, row in sorted(rows.items())], ensure_ascii=False))
    else:
        _print_rows(sorted(rows.items()))


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="A code, GATEWAY/DEVICE or GATEWAY/DEVICE/SIGNAL.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Print one thing, and what belongs to it.

    fengsui registry show gw-e01/dc-1
    """
    held = _held(config)
    key = tuple(code.split("/"))
    found = [(kind, rows[key]) for kind, rows in held.items() if key in rows]
    if not found:
        raise typer.BadParameter(
            f"nothing has the code {code!r}; `fengsui registry list` tells what there is"
        )
    for kind, row in found:
        if as_json:
            print(json.dumps({"kind": kind, **_plain(key, row)}, ensure_ascii=False))
            continue
        _print_table(
            (kind, code), [(name, _word(value)) for name, value in row.items() if value not in (None, "", ())]
        )
        for other, rows in held.items():
            inside = [(k, r) for k, r in sorted(rows.items()) if key in (r.get(kind), r.get("parent"))]
            if inside:
                print(f"\n{other}:")
                _print_rows(inside)


@app.command()
def export(
    addresses: Annotated[
        bool, typer.Option("--addresses", help="With the contacts' addresses, which may hold keys.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Print the whole registry as a town file; importing it changes nothing.

    fengsui registry export > town.toml
    """
    from registry.importer.export import export_toml

    print(export_toml(_held(config), addresses=addresses), end="")


def _django(config: Path | None) -> None:
    from service.config import load
    from service.orm import setup

    setup(load(config))


def _held(config: Path | None) -> Held:
    _django(config)
    from registry.importer.apply import hold

    return hold()[0]


def _tell(plan: Plan, file: Path, *, dry_run: bool) -> None:
    """Print one line per kind that the file names, or that nothing changed."""
    if not plan:
        print(f"{file}: unchanged ({sum(plan.unchanged.values())} entries)")
        return
    rows = []
    for kind, unchanged in plan.unchanged.items():
        counts = len(plan.new[kind]), len(plan.changed[kind]), len(plan.retired[kind]), unchanged
        if any(counts):
            rows.append((kind, *map(str, counts)))
    _print_table(("", "new", "changed", "retired", "unchanged"), rows)
    print(f"{file}: nothing was written (--dry-run)" if dry_run else f"{file}: imported")


def _tell_unknown(plan: Plan, config: Path | None) -> None:
    """Say which numbers of devices no rule asks for."""
    from service.config import load
    from service.rules import rules_of, unknown_parameters

    rows = [*plan.new["device"].values(), *plan.changed["device"].values()]
    names = {name for row in rows for name, _value in row.get("parameters", ())}
    if names and (unknown := unknown_parameters(rules_of(load(config).rules), names)):
        print(f"no rule has {', '.join(unknown)}: see `fengsui rules show`")


def _print_rows(rows: list[tuple[Key, Any]]) -> None:
    columns = [name for name in _NAMES if any(row.get(name) for _key, row in rows)]
    lines = [("/".join(key), *(_word(row.get(name)) for name in columns), _state(row)) for key, row in rows]
    _print_table(("code", *columns, ""), lines)


def _state(row: Any) -> str:
    return "" if row.get("active", True) else "retired"


def _word(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, tuple):
        nested = [" ".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in value]
        return ("; " if any(isinstance(part, tuple) for part in value) else "/").join(nested)
    return "" if value is None else str(value)


def _plain(key: Key, row: Any) -> dict[str, Any]:
    return {"key": "/".join(key), **{name: value for name, value in row.items() if name != "addresses"}}


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=False, highlight=False, markup=False).print(table)
