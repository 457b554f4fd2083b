"""Rule tests, in the notation of promtool: series of values, and the events that they must and must not raise.

    tests:
      - name: a hopper that stays hot
        rule: D-02
        shows: [raising, clearing]
        interval: 10 s
        input_series: {hopper_temperature: "65x2 70x5 _x3 59x70"}
        expect: [{at: 40 s, raise: red}, {at: 710 s, clear: red}]

`a+bxn` is a, a+b, … n more times; `axn` is a and n more of it; `_` is no sample, `_xn` n+1 of them. Beyond promtool's,
`(a b c)xn` is the group and n more of it: what has a rhythm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from core.batch import Batch
from core.errors import RuleError
from core.events import Events, Kind
from core.levels import Level
from core.time import SECOND, seconds
from detectors.bank import Bank
from detectors.enlist import with_rules
from detectors.expression import UNITS_S, Expression, compile_expression
from detectors.methods import OPERATORS
from detectors.plan import Plan
from detectors.rulebook import RuleText
from detectors.watched import Watched

SHOWS = frozenset({"raising", "not_quite", "clearing", "unknown"})
_START = 1_767_225_600 * SECOND  # 2026-01-01T00:00Z
_VALUES = re.compile(r"(?P<first>_|-?\d+(?:\.\d+)?)(?P<step>[+-]\d+(?:\.\d+)?)?(?:x(?P<more>\d+))?")
_WORD = re.compile(r"\((?P<group>[^()]*)\)x(?P<times>\d+)|(?P<word>\S+)")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of one rule.

    series: signal -> values, NaN where there is no sample · expect: "40 s raise red" lines
    on_change: signals without a period (facts, switches): their last value stands
    """

    name: str
    rule: str
    shows: frozenset[str]
    interval_s: float
    series: Mapping[str, tuple[float, ...]]
    expect: tuple[tuple[float, str, str], ...]
    overrides: Mapping[str, float]
    where: str
    on_change: frozenset[str] = frozenset()


def read_cases(path: Path) -> tuple[Case, ...]:
    """Return the tests of a file; raises RuleError."""
    try:
        text = path.read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        entries = yaml.safe_load(text)["tests"]
        (listed,) = [value for key, value in _pairs(root) if key.value == "tests"]
        lines = [node.start_mark.line + 1 for node in listed.value]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RuleError(
            str(path), f"is no file of rule tests ({error})", "See the example in docs/rules.md"
        ) from error
    return tuple(_case(entry, f"{path}:{line}") for entry, line in zip(entries, lines, strict=True))


def _pairs(node: yaml.Node | None) -> Sequence[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else ()


def _case(entry: Mapping[str, object], where: str) -> Case:
    known = {"name", "rule", "shows", "interval", "input_series", "expect", "overrides", "on_change"}
    try:
        _only(set(entry), known, "key")
        shows = frozenset(entry["shows"])  # type: ignore[call-overload]
        _only(set(shows), set(SHOWS), "`shows`")
        series: Mapping[str, str] = entry["input_series"]  # type: ignore[assignment]
        expect: Sequence[Mapping[str, str]] = entry["expect"] or []  # type: ignore[assignment]
        return Case(
            name=str(entry["name"]),
            rule=str(entry["rule"]),
            shows=shows,
            interval_s=_seconds(str(entry["interval"])),
            series={signal: tuple(expand(str(values))) for signal, values in series.items()},
            expect=tuple(_expected(line) for line in expect),
            overrides=dict(entry.get("overrides") or {}),  # type: ignore[call-overload]
            where=where,
            on_change=frozenset(entry.get("on_change") or ()),  # type: ignore[call-overload]
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RuleError(
            where, f"not a rule test: {error}", "Correct it after the example in docs/rules.md"
        ) from error


def _only(found: set[str], allowed: set[str], what: str) -> None:
    if found - allowed:
        raise ValueError(f"no {what} {sorted(found - allowed)}; there are {sorted(allowed)}")


def _expected(line: Mapping[str, str]) -> tuple[float, str, str]:
    (said,) = set(line) - {"at"}
    if said not in {"raise", "clear"}:
        raise ValueError(f"`{said}`: an expected event is `raise` or `clear`")
    return _seconds(str(line["at"])), said, Level.parse(str(line[said])).en


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"`{text}` is no time; write `40 s` or `5 min`")
    return float(match[1]) * UNITS_S[match[2]]


def expand(text: str) -> Iterator[float]:
    """Yield the values of promtool's notation; raises ValueError."""
    for part in _WORD.finditer(text):
        if part["word"] is None:
            yield from list(expand(part["group"])) * (int(part["times"]) + 1)
            continue
        word = part["word"]
        match = _VALUES.fullmatch(word)
        if match is None:
            raise ValueError(f"`{word}` is no value; write 70, 70x5, 60+1x10 or _x3")
        first = float("nan") if match["first"] == "_" else float(match["first"])
        for n in range(int(match["more"] or 0) + 1):
            yield first + n * float(match["step"] or 0)


def run(case: Case, rule: RuleText) -> tuple[str, ...]:
    """Return what happened otherwise than expected; nothing = passed."""
    events = _play(case, rule)
    happened = [
        ((int(t) - _START) / SECOND, "raise" if kind == Kind.RAISE else "clear", Level(int(level)).en)
        for t, kind, level in zip(events.t, events.kind, events.level, strict=True)
    ]
    wrong = [f"not at {_at(e)}: {e[1]} {e[2]}" for e in case.expect if e not in happened]
    return (*wrong, *(f"unexpected at {_at(e)}: {e[1]} {e[2]}" for e in happened if e not in case.expect))


def _at(event: tuple[float, str, str]) -> str:
    return f"{event[0]:g} s"


def _play(case: Case, rule: RuleText) -> Events:
    signals = sorted({*case.series, *rule.signals})
    keys = {signal: n for n, signal in enumerate(signals, 1)}
    device = Watched(
        id=1,
        profile=rule.of[0],
        series=keys,
        period_s={signal: case.interval_s for signal in signals if signal not in case.on_change},
        overrides=case.overrides,
    )
    plan = with_rules(
        Plan(gateway_of=np.ones(len(signals) + 1, np.int32)), [replace(rule, on=True)], [device]
    )
    columns = [
        (keys[signal], _START + seconds(case.interval_s) * n, value)
        for signal, values in case.series.items()
        for n, value in enumerate(values)
        if value == value  # noqa: PLR0124 - NaN is no sample
    ]
    series, t, value = (np.array(column) for column in zip(*columns, strict=True))
    batch = Batch.of(series.astype(np.int32), t.astype(np.int64), value.astype(np.float64))
    return Bank(plan, now=_START).step(batch, _START)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one number changed."""

    what: str
    rule: RuleText


def mutants(rule: RuleText) -> Iterator[tuple[str, tuple[Mutant, ...]]]:
    """Yield every number of a rule with its changed versions: 10 % for limits, half for times, both ways."""
    for n, entry in enumerate(rule.raises):
        for name, share in (("limit", 0.1), ("deadband", 0.5), ("on_delay_s", 0.5), ("off_delay_s", 0.5)):
            value = getattr(entry, name)
            if (
                isinstance(value, str)
                or not value
                or (name == "limit" and rule.when is not None and value == 1.0)
            ):
                continue
            what = f"{entry.level.en} {name} {value:g}"
            changed = [
                replace(
                    rule,
                    raises=(
                        *rule.raises[:n],
                        replace(entry, **cast("Any", {name: v})),
                        *rule.raises[n + 1 :],
                    ),
                )
                for v in _changed(value, share)
            ]
            yield what, tuple(Mutant(what, c) for c in changed)
    for field_, numbers in (("parameters", rule.parameters), ("with_", rule.with_)):
        for name, given in numbers.items():
            if isinstance(given, str) or not given or math.isnan(given):
                continue
            changed = [
                replace(rule, **cast("Any", {field_: {**numbers, name: v}})) for v in _changed(given, 0.5)
            ]
            yield f"{name} {given:g}", tuple(Mutant(name, c) for c in changed)
    if rule.when is not None:
        yield from _in_expression(rule, rule.when)


def _changed(value: float, share: float) -> tuple[float, float]:
    return value * (1 - share), value * (1 + share)


def _in_expression(rule: RuleText, when: Expression) -> Iterator[tuple[str, tuple[Mutant, ...]]]:
    """Yield changes of the numbers in the text of a condition (those behind `for`, `by` and in comparisons)."""
    for match in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?", when.text):
        value = float(match[0])
        if not value:
            continue
        changed = []
        for v in _changed(
            value, 0.5 if match.end() < len(when.text) and when.text[match.end()] == " " else 0.1
        ):
            text = f"{when.text[: match.start()]}{v:g}{when.text[match.end() :]}"
            changed.append(Mutant(match[0], replace(rule, when=_compiled(text))))
        yield f"{match[0]} in `{when.text}`", tuple(changed)


def _compiled(text: str) -> Expression:

    return compile_expression(text, frozenset(OPERATORS))


def survivors(rule: RuleText, cases: Sequence[Case]) -> tuple[str, ...]:
    """Return the numbers of a rule that could be changed without any of its tests failing."""
    mine = [case for case in cases if case.rule == rule.code]
    return tuple(
        what
        for what, changed in mutants(rule)
        if not all(any(run(case, mutant.rule) for case in mine) for mutant in changed)
    )
