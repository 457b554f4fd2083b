"""Rulebook: rules as people write them, in YAML; every mistake is refused with file, line and remedy.

The form is described in docs/rules.md. A rule speaks of one signal, or of several of one device by an expression.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core.errors import RuleError
from core.levels import Level
from detectors.expression import Expression, ExpressionError, compile_expression
from detectors.methods import LEARNING, OPERATORS
from detectors.rulefile import Reader

SHIPPED = Path(__file__).parent / "rules"
# A parameter without a default that would be right for anybody.
PER_DEVICE = "per device"
# Whatever the device measures, of methods that learn what is usual.
ANY = "*"
_RULE_KEYS = frozenset({
    "id", "title", "of", "signal", "method", "with", "when", "parameters", "unit", "raise", "advice", "source",
    "verified", "quality", "max_age", "on",
})  # fmt: skip
_RAISE_KEYS = frozenset({"level", "above", "below", "deadband", "on_delay", "off_delay"})


@dataclass(frozen=True, slots=True)
class Raise:
    """One level of a rule; limit, deadband and on_delay_s may name a parameter. Delays in seconds."""

    level: Level
    high: bool
    limit: float | str
    deadband: float | str = 0.0
    on_delay_s: float | str = 0.0
    off_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule of a pack.

    of        profiles of devices that it is about
    method    and `with_`, its parameters (numbers or names of parameters), for a rule about one signal
    when      a compiled expression, for a rule about several
    parameters  name -> default; a device may override each. NaN: only devices that say it fall under the rule
    on        whether it is in force for devices that do not say so themselves
    max_age_s for so long a sample stands for its signal, 0: three of its periods, or until the next where it has none
    where     file and line · version: hash of everything that decides
    """

    code: str
    pack: str
    title_zh: str
    title_en: str
    of: tuple[str, ...]
    raises: tuple[Raise, ...]
    where: str
    signal: str = ""
    method: str = "value"
    with_: Mapping[str, float | str] = field(default_factory=dict)
    when: Expression | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    unit: str = ""
    advice_zh: str = ""
    advice_en: str = ""
    source: str = ""
    verified: bool = False
    quality: bool = False
    on: bool = True
    max_age_s: float = 0.0
    version: str = ""

    @property
    def signals(self) -> tuple[str, ...]:
        """Return the signals that the rule reads by name."""
        if self.when is None:
            return () if self.signal == ANY else (self.signal,)
        plain = [
            name for name in self.when.names if name not in self.when.calls and name not in self.parameters
        ]
        return tuple(dict.fromkeys([*plain, *(call[1] for call in self.when.calls.values())]))

    def limit_name(self, entry: Raise) -> str:
        """Return the name of a limit that is written as a number, for devices that override it: `orange`."""
        alike = [other for other in self.raises if other.level == entry.level]
        return entry.level.en if len(alike) == 1 else f"{entry.level.en}_{'high' if entry.high else 'low'}"

    @property
    def numbers(self) -> Mapping[str, float]:
        """Return every number that a device may override, with its default; NaN where there is none."""
        limits = {
            self.limit_name(entry): entry.limit
            for entry in self.raises
            if not isinstance(entry.limit, str) and (self.when is None or entry.limit != 1.0)
        }
        return {**limits, **self.parameters}

    @property
    def settings(self) -> Mapping[str, float]:
        """Return everything that a device may say of the rule: `on` (0 or 1) and its numbers."""
        return {"on": float(self.on), **self.numbers}


def base_of(signal: str) -> str:
    """Return the signal that a numbered one (`cable_temperature_2`) is one of."""
    return re.sub(r"_[1-9]\d?$", "", signal)


def read_pack(path: Path, units: Mapping[str, str]) -> tuple[RuleText, ...]:
    """Return the rules of a file; `units` gives the unit of every known signal; raises RuleError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RuleError(
            str(path), f"cannot be read: {error.strerror}", "Give the path of a rule pack"
        ) from error
    reader = Reader(path, text)
    top = reader.mapping(reader.root, {"pack", "rules"}, "a rule pack")
    pack = reader.text(top.get("pack"), "`pack`")
    rules = [_Rule(reader, node, pack, units).read() for node in reader.sequence(top.get("rules"), "`rules`")]
    return tuple(rules)


def read_packs(paths: Sequence[Path], units: Mapping[str, str]) -> tuple[RuleText, ...]:
    """Return the rules of several files; no id may occur twice."""
    rules: dict[str, RuleText] = {}
    for path in paths:
        for rule in read_pack(path, units):
            if rule.code in rules:
                raise RuleError(
                    rule.where, f"rule {rule.code} is also in {rules[rule.code].where}", "Rename one of them"
                )
            rules[rule.code] = rule
    return tuple(rules.values())


def shipped() -> list[Path]:
    """Return the packs that come with the service."""
    return sorted(SHIPPED.glob("*.yaml"))


class _Rule:
    """One rule while it is read."""

    def __init__(self, reader: Reader, node: yaml.Node, pack: str, units: Mapping[str, str]) -> None:
        self.reader, self.node, self.pack, self.units = reader, node, pack, units
        self.keys = reader.mapping(node, _RULE_KEYS, "a rule")
        self.code = reader.text(self._need("id"), "`id`")

    def read(self) -> RuleText:
        reader, keys = self.reader, self.keys
        if ("signal" in keys) == ("when" in keys):
            raise self._fail(
                "", "needs either `signal` or `when`", "Name one signal, or write a condition over several"
            )
        parameters = self._parameters()
        title = self._words("title")
        advice = self._words("advice") if "advice" in keys else ("", "")
        made: dict[str, Any] = {
            "code": self.code,
            "pack": self.pack,
            "title_zh": title[0],
            "title_en": title[1],
            "of": tuple(reader.text(n, "a profile") for n in reader.sequence(self._need("of"), "`of`")),
            "parameters": parameters,
            "unit": keys["unit"].value if "unit" in keys else "",
            "source": reader.text(self._need("source"), "`source`"),
            "verified": reader.flag(keys["verified"], "`verified`") if "verified" in keys else False,
            "quality": reader.flag(keys["quality"], "`quality`") if "quality" in keys else False,
            "on": reader.flag(keys["on"], "`on`") if "on" in keys else True,
        }
        if "max_age" in keys:
            made["max_age_s"] = reader.number(keys["max_age"], "`max_age`")
        made |= self._one_signal(parameters) if "signal" in keys else self._several(parameters)
        made["raises"] = tuple(
            self._raise(n, parameters, "when" in keys)
            for n in reader.sequence(self._need("raise"), "`raise`")
        )
        if made.get("method") in LEARNING:
            self._learns(made["raises"])
        # Words and advice decide nothing; everything else does.
        decides = repr([self.code, made["raises"], parameters, self._text_of("when"), made.get("signal"),
                        made.get("method"), made.get("with_"), made.get("max_age_s")])  # fmt: skip
        version = hashlib.sha256(decides.encode()).hexdigest()[:12]
        where = f"{reader.path}:{self.node.start_mark.line + 1}"
        return RuleText(**made, advice_zh=advice[0], advice_en=advice[1], where=where, version=version)

    def _need(self, key: str) -> yaml.Node:
        if key not in self.keys:
            raise self._fail("", f"has no `{key}`", f"Add `{key}: …`")
        return self.keys[key]

    def _fail(self, key: str, problem: str, remedy: str) -> RuleError:
        name = getattr(self, "code", "")
        return self.reader.fail(
            self.keys.get(key, self.node), f"rule {name} {problem}".replace("  ", " "), remedy
        )

    def _text_of(self, key: str) -> str:
        return str(self.keys[key].value) if key in self.keys else ""

    def _words(self, key: str) -> tuple[str, str]:
        words = self.reader.mapping(self._need(key), {"zh", "en"}, f"`{key}`")
        return tuple(self.reader.text(words.get(n), f"`{key}.{n}`") for n in ("zh", "en"))  # type: ignore[return-value]

    def _parameters(self) -> dict[str, float]:
        if "parameters" not in self.keys:
            return {}
        found = self.reader.mapping(self.keys["parameters"], None, "`parameters`")
        return {
            name: math.nan
            if isinstance(node, yaml.ScalarNode) and node.value.strip() == PER_DEVICE
            else self.reader.number(node, f"parameter `{name}`")
            for name, node in found.items()
        }

    def _one_signal(self, parameters: Mapping[str, float]) -> dict[str, Any]:
        reader = self.reader
        signal = reader.text(self.keys["signal"], "`signal`")
        method = reader.text(self.keys["method"], "`method`") if "method" in self.keys else "value"
        known = [*OPERATORS, *LEARNING]
        if method not in known:
            raise self._fail("method", f"names no method `{method}`", f"Use one of: {', '.join(known)}")
        if (signal == ANY and method not in LEARNING) or (signal != ANY and method == "multivariate"):
            raise self._fail(
                "signal", f"takes {method} of `{signal}`",
                "`*` is for anomaly and multivariate, and multivariate always takes all signals",
            )  # fmt: skip
        if signal != ANY:
            self._known(signal, self.keys["signal"])
        if method in LEARNING:
            self._unit(LEARNING[method], method, signal)
            if "with" in self.keys:
                raise self._fail("with", f"gives {method} numbers", "Delete `with`: it learns them")
            return {"signal": signal, "method": method, "with_": {}}
        self._unit(OPERATORS[method].unit.replace("{x}", self.units[base_of(signal)]), method, signal)
        operator = OPERATORS[method]
        given = (
            reader.mapping(self.keys["with"], operator.params, f"`with` of {method}")
            if "with" in self.keys
            else {}
        )
        with_ = {name: self._number(node, parameters, f"`{name}`") for name, node in given.items()}
        missing = [n for n, v in operator.params.items() if math.isnan(v) and n not in with_ and n != "above"]
        if missing:
            raise self._fail("with", f"does not say {', '.join(missing)} of {method}", "Add it under `with:`")
        return {"signal": signal, "method": method, "with_": with_}

    def _unit(self, unit: str, method: str, signal: str) -> None:
        """Refuse limits that are written in another unit than the statistic's."""
        if (said := self._text_of("unit")) != unit:
            raise self._fail(
                "unit", f"is written in `{said}`, but {method} of {signal} is in `{unit}`",
                f"Convert the limits and write `unit: {unit}`, or choose the signal that is measured in `{said}`",
            )  # fmt: skip

    def _learns(self, raises: Sequence[Raise]) -> None:
        """Refuse what alarms of methods that learn do not have."""
        one = raises[0]
        if len(raises) > 1 or not one.high or one.deadband or one.on_delay_s or one.off_delay_s:
            raise self._fail(
                "raise", "has levels, deadbands or delays, and its method has its own",
                "Write one entry: `- {level: blue, above: threshold}`",
            )  # fmt: skip

    def _several(self, parameters: Mapping[str, float]) -> dict[str, Any]:
        node = self.keys["when"]
        try:
            when = compile_expression(self.reader.text(node, "`when`"), frozenset(OPERATORS))
        except ExpressionError as error:
            raise self.reader.fail(
                node, f"rule {self.code}: {error}", "The language is on one page: docs/rules.md"
            ) from error
        for name in when.names:
            if name in when.durations and name not in parameters:
                raise self._fail(
                    "when", f"has no parameter `{name}`", f"Add `{name}` under `parameters:`, or write `60 s`"
                )
            if name not in parameters and name not in when.calls:
                self._known(name, node)
        for method, signal, arguments in when.calls.values():
            self._known(signal, node)
            if len(arguments) > len(OPERATORS[method].params):
                raise self._fail(
                    "when", f"gives {method} too many numbers", f"It takes {list(OPERATORS[method].params)}"
                )
            for given in arguments:
                if isinstance(given, str) and given not in parameters:
                    raise self._fail(
                        "when",
                        f"has no parameter `{given}`",
                        f"Add `{given}` under `parameters:`, or write a number",
                    )
        return {"when": when}

    def _known(self, signal: str, node: yaml.Node) -> None:
        if base_of(signal) not in self.units:
            near = [s for s in self.units if signal[:3] == s[:3]][:4]
            hint = (
                f"Did you mean {' or '.join(near)}?"
                if near
                else "See `fengsui rules show --signals`, or add a parameter"
            )
            raise self.reader.fail(
                node, f"rule {self.code}: there is no signal or parameter `{signal}`", hint
            )

    def _raise(self, node: yaml.Node, parameters: Mapping[str, float], condition: bool) -> Raise:
        reader = self.reader
        keys = reader.mapping(node, _RAISE_KEYS, "an entry of `raise`")
        if "level" not in keys:
            raise reader.fail(
                node, f"rule {self.code}: a level is missing", "Write `level: blue|yellow|orange|red`"
            )
        try:
            level = Level.parse(reader.text(keys["level"], "`level`"))
        except ValueError as error:
            raise reader.fail(keys["level"], f"rule {self.code}: {error}", "Use one of the four") from error
        sides = [side for side in ("above", "below") if side in keys]
        if len(sides) != 1 and not (condition and not sides):
            raise reader.fail(
                node, f"rule {self.code}: a level needs either `above` or `below`", "Write one of them"
            )
        return Raise(
            level=level,
            high=sides != ["below"],
            limit=self._number(keys[sides[0]], parameters, f"`{sides[0]}`") if sides else 1.0,
            deadband=self._number(keys["deadband"], parameters, "`deadband`") if "deadband" in keys else 0.0,
            on_delay_s=self._number(keys["on_delay"], parameters, "`on_delay`")
            if "on_delay" in keys
            else 0.0,
            off_delay_s=reader.number(keys["off_delay"], "`off_delay`") if "off_delay" in keys else 0.0,
        )

    def _number(self, node: yaml.Node, parameters: Mapping[str, float], what: str) -> float | str:
        text = self.reader.text(node, what)
        return text if text in parameters else self.reader.number(node, what)
