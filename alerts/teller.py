"""Teller: who is told about one step of an alert, in which words, and what of it waits; no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.changes import Alert, Held, Note, Shelf, altered
from alerts.duty import Duty
from alerts.hold import Holdings, Scene
from alerts.lifecycle import Move
from alerts.lineage import Lineage
from alerts.message import Message, render, shelf_words, with_gap
from alerts.outbox import notes
from alerts.policy import Policy
from alerts.route import UNREACHED, Stop
from alerts.router import Router
from alerts.tree import Tree
from core.events import Rule, SubjectKind
from core.levels import Level
from core.time import seconds
from registry.catalog import Catalog

_FIRST = frozenset({"raise", "level"})


class Teller:
    """Holds what routing needs, and the notes that wait."""

    def __init__(
        self,
        directory: Catalog,
        rules: Sequence[Rule],
        policy: Policy,
        tree: Tree,
        *,
        duty: Duty | None,
        holdings: Holdings,
    ) -> None:
        self.router = Router(directory, policy, tree, duty)
        self.lineage = Lineage(directory)
        self.policy, self.holdings = policy, holdings
        self._rules = {rule.code: rule for rule in rules}
        self._settled = 0

    def settle(self, now: int) -> None:
        """Begin the settle window: data-quality notes of our first moments are about ourselves."""
        self._settled = now + seconds(self.policy.hold.settle_s)

    def settled_like(self, other: Teller) -> None:
        """Go on with another's settle window."""
        self._settled = other._settled

    def tell(self, move: Move, now: int, shelf_until: int) -> tuple[Alert, tuple[Note, ...], list[Held]]:
        """Return the alert, which remembers who is told; the notes; and those of them that wait."""
        alert, word = move.alert, move.step.split("-")[0]
        if word not in self.policy.tell:
            return alert, (), []
        stops = self._stops(move, word, now)
        if word in _FIRST or word in ("escalate", "overdue"):
            alert = _remember(alert, stops)
        rule = self._rules.get(alert.rule) or Rule(alert.rule, alert.rule, alert.rule, alert.unit)
        message = render(alert, rule, self.router.subject(alert), step=move.step, policy=self.policy)
        sent = notes(alert, message, stops, step=move.step, policy=self.policy, now=now)
        scene = Scene(alert, word, now, shelf_until, self._settled, self.group(alert))
        held = self.holdings.hold(sent, scene)
        self.holdings.keep(held)
        return alert, sent, held

    def maintenance(self, shelf: Shelf, now: int) -> tuple[Note, ...]:
        """Return what the inspectors of the area are told about a maintenance window."""
        subject = self.router.book.subject(shelf.subject_kind, shelf.subject)
        stops = self.router.reviewers(subject, now)
        words = shelf_words(shelf, subject, self.policy)
        return tuple(_shelf_note(shelf, stop, words, self.policy, now) for stop in stops)

    def group(self, alert: Alert) -> str:
        """Return what an alert's notes are grouped by."""
        if self.policy.hold.group_by == "gateway":
            places = self.lineage.of(alert.subject_kind, alert.subject)
            if gateway := places.get(SubjectKind.GATEWAY):
                return f"gateway {gateway}"
        return f"enterprise {alert.enterprise}"

    def _stops(self, move: Move, word: str, now: int) -> tuple[Stop, ...]:
        alert = move.alert
        if word in _FIRST:
            return self.router.first(alert, now)
        if word in ("escalate", "overdue"):
            return self.router.joined(alert, move.rungs, now)
        if word == "unreached":
            return self.router.operators(UNREACHED)
        if word == "review":
            return self.router.reviewers(self.router.subject(alert), now)
        return self.router.told(alert)


def _remember(alert: Alert, stops: Sequence[Stop]) -> Alert:
    told = tuple(dict.fromkeys((*alert.told, *(stop.recipient for stop in stops))))
    return alert if told == alert.told else altered(alert, told=told)


def _shelf_note(shelf: Shelf, stop: Stop, words: Message, policy: Policy, now: int) -> Note:
    words = with_gap(words, stop.gap, policy) if stop.gap[0] else words
    return Note(
        key=f"{shelf.id}:shelve:{stop.recipient}:{stop.channel}",
        alert=shelf.id,
        step="shelve",
        recipient=stop.recipient,
        channel=stop.channel,
        address=stop.address,
        level=Level.BLUE,
        title=words.title,
        text_zh=words.text_zh,
        text_en=words.text_en,
        link=words.link,
        created=now,
    )
