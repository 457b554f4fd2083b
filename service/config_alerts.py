"""What `[alerts]` may not say: times that are none, roles that nobody has, steps that are never taken."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import fields

from alerts.policy import Ladder, Policy
from core.errors import ConfigError
from registry.words import Role

STEPS = frozenset(
    {
        "raise",
        "level",
        "clear",
        "close",
        "escalate",
        "overdue",
        "unreached",
        "review",
        "reject",
        "shelve",
        "unshelve",
    }
)
_LEVELS = ("red", "orange", "yellow", "blue", "data_quality")
_ROLES = frozenset(str(role) for role in Role)


def check_alerts(policy: Policy, where: str) -> None:
    """Refuse what each key allows and the whole does not.  Raises ConfigError."""
    _known(policy.tell, STEPS, f"{where} [alerts] tell")
    for key in ("heads", "area_heads", "reviewers"):
        _known(getattr(policy, key), _ROLES, f"{where} [alerts] {key}")
    for level in _LEVELS:
        tier = getattr(policy, level)
        _known((*tier.roles, *tier.area_roles), _ROLES, f"{where} [alerts.{level}] roles, area_roles")
        _check_ladder(getattr(policy.ladders, level), f"{where} [alerts.ladders.{level}]")
    for key in ("quiet_start", "quiet_end", "daily"):
        _check_time(getattr(policy.hold, key), f"{where} [alerts.hold] {key}")
    for key, value in _numbers(policy.hold):
        if value < 0:
            raise ConfigError(
                f"{where} [alerts.hold] {key}", f"{value:g} is negative", "Write 0 for not at all"
            )
    if policy.reopen_s < 0:
        raise ConfigError(
            f"{where} [alerts] reopen_s", f"{policy.reopen_s:g} is negative", "Write 0 for never"
        )


def _check_ladder(ladder: Ladder, where: str) -> None:
    for key, value in _numbers(ladder):
        if value < 0:
            raise ConfigError(f"{where} {key}", f"{value:g} is negative", "Write 0 for never")
    if ladder.repeat_s and not (ladder.answer_s or ladder.rungs):
        raise ConfigError(f"{where} repeat_s", "there is nothing to repeat", "Set answer_s, or add a rung")
    for rung in ladder.rungs:
        roles = (*rung.roles, *rung.area_roles)
        if rung.after_s <= 0 or not roles:
            raise ConfigError(
                f"{where} rungs", "a rung has no time, or nobody", "Give after_s, and roles or area_roles"
            )
        _known(roles, _ROLES, f"{where} rungs")


def _check_time(text: str, where: str) -> None:
    hour, colon, minute = text.partition(":")
    good = colon and len(text) == 5 and f"{hour}{minute}".isdigit() and int(hour) < 24 and int(minute) < 60
    if text and not good:
        raise ConfigError(where, f"{text!r} is no time of day", 'Write "22:00", or "" for never')


def _known(words: Collection[str], known: Collection[str], where: str) -> None:
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(known))}"
            raise ConfigError(where, f"{word!r} is not known", remedy)


def _numbers(table: object) -> Iterator[tuple[str, float]]:
    for one in fields(table):  # type: ignore[arg-type]
        value = getattr(table, one.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield one.name, value
