"""`fengsui rules …`: read, explain and test rule packs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import rules_backtest
from service.cli.options import Json

app = typer.Typer(help="Rules as tested code: check, show, explain, test, backtest.", no_args_is_help=True)
rules_backtest.register(app)
Packs = Annotated[
    list[Path] | None,
    typer.Option(
        "--pack", metavar="FILE", help="Another rule pack, beside the shipped ones; may be repeated."
    ),
]


def _rules(packs: list[Path] | None) -> dict[str, Any]:
    from detectors.rulebook import read_packs, shipped
    from registry.signals import catalogue

    units = {name: signal.unit for name, signal in catalogue().items()}
    return {rule.code: rule for rule in read_packs([*shipped(), *(packs or ())], units)}


@app.command()
def check(packs: Annotated[list[Path] | None, typer.Argument(metavar="FILE…")] = None) -> None:
    """Read packs, beside the shipped ones, and say what is wrong with them.

    fengsui rules check mine.yaml
    """
    found = _rules(packs)
    by_pack: dict[str, int] = {}
    for rule in found.values():
        by_pack[rule.pack] = by_pack.get(rule.pack, 0) + 1
    typer.echo("ok: " + ", ".join(f"{pack} {n}" for pack, n in by_pack.items()) + f"; {len(found)} rules")


@app.command()
def show(packs: Packs = None, *, as_json: Json = False) -> None:
    """List all rules: what each raises, on what, and what it rests on."""
    from rich.console import Console
    from rich.table import Table

    found = _rules(packs)
    if as_json:
        print(json.dumps([_plain(rule) for rule in found.values()], ensure_ascii=False))
        return
    table = Table("id", "规则", "rule", "levels", "signals", "source", title="fengsui rules show")
    for rule in found.values():
        levels = " ".join(entry.level.en for entry in rule.raises)
        source = rule.source if rule.verified else f"{rule.source} (unverified)"
        levels = levels if rule.on else f"{levels} (off)"
        signals = " ".join(rule.signals) or _spelt(rule.signal)
        table.add_row(rule.code, rule.title_zh, rule.title_en, levels, signals, source)
    Console().print(table)


def _plain(rule: Any) -> dict[str, Any]:
    return {
        "id": rule.code,
        "pack": rule.pack,
        "title": {"zh": rule.title_zh, "en": rule.title_en},
        "of": rule.of,
        "on": rule.on,
        "signals": rule.signals or [rule.signal],
        "when": rule.when.text if rule.when else None,
        "method": None if rule.when else rule.method,
        "with": dict(rule.with_),
        "parameters": {n: None if math.isnan(v) else v for n, v in rule.parameters.items()},
        "unit": rule.unit,
        "raise": [
            {
                "level": entry.level.en,
                "above" if entry.high else "below": entry.limit,
                "deadband": entry.deadband,
                "on_delay_s": entry.on_delay_s,
                "off_delay_s": entry.off_delay_s,
            }
            for entry in rule.raises
        ],
        "source": rule.source,
        "verified": rule.verified,
        "version": rule.version,
        "where": rule.where,
    }


@app.command()
def explain(code: str, packs: Packs = None) -> None:
    """Say in words what one rule does.

    fengsui rules explain D-10
    """
    from core.errors import RuleError

    found = _rules(packs)
    if code not in found:
        raise RuleError(code, "there is no such rule", f"Use one of: {', '.join(found)}")
    for line in _words(found[code]):
        typer.echo(line)


def _words(rule: Any) -> list[str]:
    from detectors.methods import about

    subject = (
        rule.when.text
        if rule.when
        else (rule.signal if rule.method == "value" else f"{rule.method} of {_spelt(rule.signal)}")
    )
    lines = [
        f"{rule.code} {rule.title_zh} / {rule.title_en}  ({rule.where}, version {rule.version})",
        f"  {subject}",
    ]
    for entry in rule.raises:
        side = ("≥" if entry.high else "≤") if not rule.when or entry.limit != 1.0 else ""
        limit = f" {side} {_number(rule, entry.limit)} {rule.unit}".rstrip() if side else " true"
        back = (
            f"; clears {_number(rule, entry.deadband)} {rule.unit} beyond".rstrip() if entry.deadband else ""
        )
        lines.append(
            f"  {entry.level.en}:{limit} for {_number(rule, entry.on_delay_s)} s{back}, after {entry.off_delay_s:g} s"
        )
    if not rule.when and rule.method != "value":
        lines += [f"  {line}" for line in about(rule.method).splitlines()]
    if not rule.on:
        lines.append(
            f'  off, until a device says {rule.code}.on = 1 or the configuration [rules] on = ["{rule.code}"]'
        )
    lines += [f"  {rule.code}.{name}{_default(value)}" for name, value in rule.numbers.items()]
    lines.append(f"  source: {rule.source}" + ("" if rule.verified else "  — not verified"))
    return [*lines, f"  {rule.advice_zh}", f"  {rule.advice_en}"]


def _spelt(signal: str) -> str:
    return "every signal" if signal == "*" else signal


def _default(value: float) -> str:
    return " is to be set per device" if math.isnan(value) else f" = {value:g} (may be set per device)"


def _number(rule: Any, value: float | str) -> str:
    return f"{value} (= {rule.parameters[value]:g})" if isinstance(value, str) else f"{value:g}"


@app.command("test")
def try_out(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", exists=True)],
    *,
    packs: Packs = None,
    mutate: Annotated[bool, typer.Option(help="Change every number and see whether a test notices.")] = False,
) -> None:
    """Run rule tests; exit code 1 when one fails, or with --mutate when a number is not pinned.

    fengsui rules test tests/rules/*.yaml --mutate
    """
    from core.errors import RuleError
    from detectors.ruletest import read_cases, run, survivors

    found = _rules(packs)
    cases = [case for path in files for case in read_cases(path)]
    for case in cases:
        if case.rule not in found:
            raise RuleError(case.where, f"there is no rule {case.rule}", "Give its pack with --pack")
    failed = 0
    for case in cases:
        if wrong := run(case, found[case.rule]):
            failed += 1
            typer.echo(f"{case.where}: {case.rule}: {case.name}\n  " + "\n  ".join(wrong))
    typer.echo(f"{len(cases) - failed} passed, {failed} failed")
    unpinned = 0
    for code in dict.fromkeys(case.rule for case in cases) if mutate else ():
        for what in survivors(found[code], cases):
            unpinned += 1
            typer.echo(f"{code}: no test pins {what}")
    if mutate:
        typer.echo(f"{unpinned} numbers that no test pins")
    if failed or unpinned:
        raise typer.Exit(1)
