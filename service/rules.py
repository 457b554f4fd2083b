"""The rule packs in force: read at the start, looked at while running, refused without harm when they are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from core.errors import RuleError
from detectors.bank import Bank
from detectors.enlist import with_rules
from detectors.plan import Plan
from detectors.rulebook import RuleText, read_packs, shipped
from detectors.watched import Watched
from registry.signals import catalogue
from registry.words import Profile
from service.config import Rules
from service.metrics import PipelineMetrics
from service.own_rules import BUILT_IN
from service.stamps import stamps_of

log = structlog.get_logger("rules")


def packs_of(chosen: Rules) -> list[Path]:
    """Return the files that are to be read."""
    return [*(shipped() if chosen.shipped else ()), *map(Path, chosen.packs)]


def read_rules(paths: Sequence[Path]) -> tuple[RuleText, ...]:
    """Return the rules of these files; raises RuleError, also for rules that this service could never run."""
    rules = read_packs(paths, {name: signal.unit for name, signal in catalogue().items()})
    profiles = [profile.value for profile in Profile]
    for rule in rules:
        if rule.code in {ours.code for ours in BUILT_IN}:
            raise RuleError(rule.where, f"rule {rule.code} is one of the service's own", "Rename it")
        for profile in rule.of:
            if profile not in profiles:
                raise RuleError(
                    rule.where,
                    f"rule {rule.code} is of `{profile}`, and no device can be one",
                    f"Use one of: {', '.join(profiles)}",
                )
    _try_out(rules, profiles)
    return rules


def rules_of(chosen: Rules) -> tuple[RuleText, ...]:
    """Return the rules of the chosen packs, switched as chosen; raises RuleError, also for a code that no rule has."""
    rules = read_rules(packs_of(chosen))
    if unknown := sorted({*chosen.on, *chosen.off} - {rule.code for rule in rules}):
        raise RuleError("[rules]", f"no rule is {', '.join(unknown)}", "`fengsui rules show` lists them")
    return switched(rules, chosen)


def switched(rules: Iterable[RuleText], chosen: Rules) -> tuple[RuleText, ...]:
    """Return rules that are in force where the configuration says so; `off` has the last word."""
    return tuple(
        replace(rule, on=(rule.on or rule.code in chosen.on) and rule.code not in chosen.off)
        for rule in rules
    )


def _try_out(rules: Sequence[RuleText], profiles: Sequence[str]) -> None:
    """Put the rules into a bank, for one device of each profile that has every signal there is."""
    names = list(catalogue())
    devices = [
        Watched(
            n, profile, {name: n * len(names) + k for k, name in enumerate(names)}, dict.fromkeys(names, 1.0)
        )
        for n, profile in enumerate(profiles, 1)
    ]
    rules = [replace(rule, on=True) for rule in rules]
    for rule in rules:
        try:
            Bank(with_rules(Plan(), [rule], devices))
        except (ValueError, KeyError) as error:
            raise RuleError(
                rule.where, f"rule {rule.code} cannot run: {error}", "Correct its numbers"
            ) from error
    try:
        Bank(with_rules(Plan(), rules, devices))
    except (ValueError, KeyError) as error:
        raise RuleError("rules", f"cannot run together: {error}", "Use fewer different statistics") from error


def unknown_parameters(rules: Iterable[RuleText], names: Iterable[str]) -> list[str]:
    """Return those of these names (D-01.upper) that no rule has."""
    known = {f"{rule.code}.{name}" for rule in rules for name in rule.settings}
    return sorted(set(names) - known)


class RuleFiles:
    """`rules` are in force; `look` reads the files again when one has changed.

    While running, a pack that cannot be read leaves all rules in force as they are.  At the start nothing is in
    force yet: then a bad pack is left out, and the others work, for a typing error must not end the watch.
    """

    def __init__(self, chosen: Rules, metrics: PipelineMetrics) -> None:
        self._chosen, self._paths, self._metrics = chosen, packs_of(chosen), metrics
        self._stamps = stamps_of(self._paths)
        self.rules = self._first()

    def look(self) -> bool:
        """Return whether other rules are in force since the last call."""
        stamps = stamps_of(self._paths)
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            rules = switched(read_rules(self._paths), self._chosen)
        except RuleError as error:
            self._refused(error, "the rules in force stay")
            return False
        self._metrics.rule_loads.labels("loaded").inc()
        self._metrics.rules_refused.set(0)
        changed = rules != self.rules
        log.info("rules read", n=len(rules), changed=_differing(self.rules, rules))
        self.rules = rules
        return changed

    def _first(self) -> tuple[RuleText, ...]:
        """Return the rules of all packs that can be read and do not contradict those before."""
        good: list[Path] = []
        rules: tuple[RuleText, ...] = ()
        for path in self._paths:
            try:
                rules = read_rules([*good, path])
            except RuleError as error:
                self._refused(error, "this pack is left out")
            else:
                good.append(path)
        return switched(rules, self._chosen)

    def _refused(self, error: RuleError, so: str) -> None:
        self._metrics.rule_loads.labels("failed").inc()
        self._metrics.rules_refused.set(1)
        log.error("rule pack refused", so=so, where=error.where, problem=error.problem, remedy=error.remedy)


def _differing(old: Sequence[RuleText], new: Sequence[RuleText]) -> list[str]:
    """Return the codes of rules that came, went or decide otherwise."""
    before, after = ({rule.code: rule.version for rule in rules} for rules in (old, new))
    return sorted(code for code in before | after if before.get(code) != after.get(code))
