"""The desk: events and people's commands in, decisions out.  No I/O and no clock; it alone moves alerts.

    event ─▶ lifecycle ─┐
    command ─▶ orders ──┼─▶ move ─▶ suppressed? ─▶ teller: who, which words, does it wait? ─▶ notes
    now ─▶ escalate ────┘                                             now ─▶ hold: what waited long enough

At most one alert is open per (rule, subject).  What is found in historical samples becomes a finding: stored,
shown, never sent.  What is repeated changes nothing (alerts/lifecycle.py says what counts as repeated).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from alerts import escalate, lifecycle, orders, shelve
from alerts.agenda import Agenda
from alerts.changes import (
    Alert,
    Answer,
    Changes,
    Command,
    CommandKind,
    Finding,
    Reached,
    Shelf,
    altered,
)
from alerts.draft import Draft
from alerts.duty import Duty
from alerts.handling import Refused, detail_of
from alerts.hold import Holdings
from alerts.inhibit import Inhibitor
from alerts.lifecycle import Edge, Move
from alerts.memory import Memory
from alerts.orders import Office
from alerts.past import Key, Past
from alerts.policy import Policy
from alerts.shelve import Shelves
from alerts.state import UNANSWERED, Suppression
from alerts.teller import Teller
from alerts.tree import Tree
from core.events import Events, Kind, Rule, SubjectKind
from core.levels import Level
from core.time import seconds
from registry.catalog import Catalog

# Answers to so many commands are remembered, so that one which comes again is answered and not carried out.
_ANSWERS = 10_000


class Desk:
    """Holds the open alerts between two steps; the store holds the same after each commit.

    alerts      open ones, and closed ones of the recent past if there are any (they make replays identities)
    directory   the registry as the hot path sees it
    rules       the bank's rules, `Events.rule` is a row of it
    tree        which routes alerts take; without one, the policy's table
    rota        registry -> who is on duty; without one, everybody always is
    memory      what else the last desk had in mind
    """

    def __init__(
        self,
        alerts: Iterable[Alert],
        policy: Policy,
        directory: Catalog,
        rules: Sequence[Rule],
        *,
        tree: Tree | None = None,
        duty: Duty | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._tree, self._duty = tree or Tree(), duty
        self._holdings = Holdings(policy)
        self._answers: dict[tuple[int, str, str], str] = {}
        self._open: dict[str, Alert] = {}
        self._shelves = Shelves()
        self._started = False
        self.reload(directory, rules, policy)
        self.load(alerts, memory)

    def load(self, alerts: Iterable[Alert], memory: Memory | None = None) -> None:
        """Forget everything and take over what the store holds."""
        memory = memory or Memory()
        alerts = (*memory.alerts, *alerts)
        self._open = {alert.id: alert for alert in alerts if not alert.closed}
        self._key: dict[Key, str] = {alert.key: id_ for id_, alert in self._open.items()}
        closed = sorted((alert for alert in alerts if alert.closed), key=lambda alert: alert.closed)
        self._past = Past(self.policy.remember, closed, keep=seconds(self.policy.reopen_s))
        self._shelves = Shelves(memory.shelves)
        groups = {alert.id: self._teller.group(alert) for alert in alerts} if memory.held else {}
        self._holdings = Holdings(self.policy, memory.held, memory.heard, lambda alert: groups.get(alert, ""))
        self._teller.holdings = self._holdings
        self._started = False
        self._survey()

    def reload(
        self,
        directory: Catalog,
        rules: Sequence[Rule],
        policy: Policy,
        *,
        tree: Tree | None = None,
        duty: Duty | None = None,
    ) -> None:
        """Go on with another registry, other rules or another policy; open alerts stay as they are."""
        self._tree, self._duty = tree or self._tree, duty or self._duty
        self.policy, self.rules = policy, tuple(rules)
        self._holdings.policy = policy
        before = getattr(self, "_teller", None)
        self._teller = Teller(
            directory, self.rules, policy, self._tree, duty=self._duty, holdings=self._holdings
        )
        if before:
            self._teller.settled_like(before)
        self._survey()

    def _survey(self) -> None:
        """Derive from alerts and policy what falls due when, and what inhibits what."""
        self._agenda = Agenda()
        self._inhibitor = Inhibitor(self.policy.hold.inhibit, self._teller.lineage)
        for alert in self._open.values():
            self._agenda.set(alert.id, escalate.due(alert, self.policy))
            self._inhibitor.put(alert)
        self._shelf_agenda = Agenda()
        for shelf in self._shelves:
            self._shelf_agenda.set(shelf.id, self._shelves.next_due(shelf))

    def open_alerts(self) -> Iterator[Alert]:
        """Yield what is open, in order of first raising."""
        return iter(self._open.values())

    @property
    def n_held(self) -> int:
        """Return how many notes wait."""
        return len(self._holdings)

    def step(
        self, events: Events, now: int, commands: Sequence[Command] = (), reached: Sequence[Reached] = ()
    ) -> Changes:
        """Decide about one batch: events in order of event time, commands in order of asking, then what is due.

        now : int    wall clock of the batch, ns; what fell due by then is done, so a tick is a step without events
        reached      facts from the outbox: who reads them asks again until the alert says so
        """
        draft = Draft(now)
        if not self._started:
            self._teller.settle(now)
            self._started = True
        for kind, edge in self._edges(events):
            self._take(kind, edge, draft)
        for command in commands:
            draft.answers.append(Answer(command.id, self._obey(command, draft)))
        for fact in reached:
            self._note_reached(fact, draft)
        for id_ in self._shelf_agenda.take(now):
            self._turn_shelf(id_, draft)
        for id_ in self._agenda.take(now):
            self._ring(id_, draft)
        flushed = self._holdings.flush(now, self._still)
        draft.released, draft.digests, draft.postponed = flushed.released, flushed.digests, flushed.postponed
        return draft.changes()

    # ── events ────────────────────────────────────────────────────────────────
    def _edges(self, events: Events) -> Iterator[tuple[int, Edge]]:
        """Take the columns apart; Python numbers from here on."""
        cap = self.policy.quality_cap
        columns = (getattr(events, name).tolist() for name in Events.__slots__)
        for row, kind, level, subject_kind, subject, series, t, since, value, limit, historical in zip(
            *columns, strict=True
        ):
            rule = self.rules[row]
            capped = min(Level(level), cap) if rule.data_quality else Level(level)
            yield (
                kind,
                Edge(
                    rule,
                    capped,
                    SubjectKind(subject_kind),
                    subject,
                    series,
                    t,
                    since,
                    value,
                    limit,
                    historical,
                ),
            )

    def _take(self, kind: int, edge: Edge, draft: Draft) -> None:
        id_ = self._key.get(edge.key)
        alert = self._open[id_] if id_ else None
        if kind == Kind.CLEAR:
            self._carry_out(lifecycle.cleared(alert, edge, draft.now) if alert else None, draft)
        elif edge.historical:
            draft.findings.append(_finding(edge, draft.now))
        elif alert is None:
            self._open_anew(edge, draft)
        else:
            self._carry_out(lifecycle.raised(alert, edge, draft.now), draft)

    def _open_anew(self, edge: Edge, draft: Draft) -> None:
        if edge.t <= self._past.last_raise(edge.key):
            return
        if before := self._past.again(edge.key, draft.now):
            self._carry_out(lifecycle.reopened(before, edge, draft.now), draft)
            return
        subject = self._teller.router.book.subject(edge.subject_kind, edge.subject)
        self._carry_out(lifecycle.opened(edge, subject, draft.now), draft)

    # ── commands ──────────────────────────────────────────────────────────────
    def _obey(self, command: Command, draft: Draft) -> str:
        """Carry out what a person asked; return why not, "" when it was done or was done before."""
        name = command.id, str(command.kind), command.alert
        if name not in self._answers:
            try:
                self._do(command, draft)
                problem = ""
            except Refused as refused:
                problem = str(refused)
            self._answers[name] = problem
            if len(self._answers) > _ANSWERS:
                del self._answers[next(iter(self._answers))]
        return self._answers[name]

    def _do(self, command: Command, draft: Draft) -> None:
        if command.kind in orders.SHELVING:
            self._shelve(command, draft)
            return
        for move in orders.carry_out(command, Office(self._find, self.policy, draft.now)):
            self._carry_out(move, draft)

    def _find(self, id_: str) -> Alert:
        alert = self._open.get(id_)
        if alert is None:
            raise Refused(_absent(id_, closed=self._past.closed(id_)))
        return alert

    def _shelve(self, command: Command, draft: Draft) -> None:
        orders.who(command)
        if command.kind == CommandKind.UNSHELVE:
            self._unshelve(command, draft)
            return
        alert = self._find(command.alert) if command.kind == CommandKind.SHELVE else None
        shelf = shelve.shelf_of(command, detail_of(command.detail), alert, draft.now, self.policy)
        if shelf.kind == Suppression.OUT_OF_SERVICE:
            subject = self._teller.router.book.subject(shelf.subject_kind, shelf.subject)
            shelf = replace(shelf, enterprise=subject.enterprise)
            draft.notes += self._teller.maintenance(shelf, draft.now)
        self._put_shelf(shelve.begun(shelf, draft.now) if shelf.begin <= draft.now else shelf, draft)

    def _unshelve(self, command: Command, draft: Draft) -> None:
        """End a shelf named by its own id, or the ones over an alert."""
        alert = self._open.get(command.alert)
        named = [self._shelves.get(command.alert)] if not alert else self._over(alert)
        found = [shelf for shelf in named if shelf]
        if not found:
            raise Refused(f"没有对应的搁置 / nothing is shelved under {command.alert}")
        for shelf in found:
            self._put_shelf(shelve.ended(shelf, draft.now, command.by.strip()), draft)

    def _over(self, alert: Alert) -> list[Shelf | None]:
        places = self._teller.lineage.of(alert.subject_kind, alert.subject)
        return [
            shelf
            for shelf in self._shelves
            if shelf.rule == alert.rule and places.get(shelf.subject_kind) == shelf.subject
        ]

    # ── what people have set aside, and what another alert explains ───────────
    def _turn_shelf(self, id_: str, draft: Draft) -> None:
        shelf = self._shelves.get(id_)
        if shelf is None:
            return
        over = shelf.until <= draft.now
        self._put_shelf((shelve.ended if over else shelve.begun)(shelf, draft.now), draft)

    def _put_shelf(self, shelf: Shelf, draft: Draft) -> None:
        self._shelves.put(shelf)
        draft.shelves[shelf.id] = shelf
        self._shelf_agenda.set(shelf.id, 0 if shelf.ended else self._shelves.next_due(shelf))
        if shelf.begun:
            for alert in self._below(shelf):
                self._review_suppression(alert, draft, by=shelf.ended_by or shelf.by, note=shelf.reason)

    def _below(self, shelf: Shelf) -> list[Alert]:
        """Return the open alerts that a shelf covers; shelves are rare, so all are looked at."""
        if shelf.rule:
            id_ = self._key.get((shelf.rule, shelf.subject_kind, shelf.subject))
            return [self._open[id_]] if id_ else []
        of = self._teller.lineage.of
        return [
            alert
            for alert in self._open.values()
            if of(alert.subject_kind, alert.subject).get(shelf.subject_kind) == shelf.subject
        ]

    def _suppression(self, alert: Alert) -> tuple[Suppression, int]:
        """Return whether and until when (ns) an alert is suppressed."""
        if shelf := self._shelves.over(alert, self._teller.lineage):
            return shelf.kind, shelf.until
        if self._inhibitor.inhibits(alert):
            return Suppression.BY_DESIGN, 1 << 62
        return Suppression.NONE, 0

    def _still(self, id_: str) -> tuple[Suppression, int]:
        alert = self._open.get(id_)
        return self._suppression(alert) if alert else (Suppression.NONE, 0)

    def _review_suppression(self, alert: Alert, draft: Draft, *, by: str = "", note: str = "") -> None:
        """Move the second axis if it has to; who was to be told meanwhile is told when it ends."""
        kind, _until = self._suppression(alert)
        if kind == alert.suppression or alert.closed:
            return
        self._carry_out(_suppressed(alert, kind, draft.now, by=by, note=note), draft)
        if kind == Suppression.NONE:
            self._holdings.hasten(alert.id, draft.now)

    # ── time ──────────────────────────────────────────────────────────────────
    def _ring(self, id_: str, draft: Draft) -> None:
        if alert := self._open.get(id_):
            for move in escalate.ring(alert, self.policy, draft.now):
                # Who joined at the step before is known to the desk's alert only.
                told = self._open[id_].told
                self._carry_out(replace(move, alert=altered(move.alert, told=told)), draft)

    def _note_reached(self, fact: Reached, draft: Draft) -> None:
        alert = self._open.get(fact.alert)
        if alert and alert.reached < alert.expected <= fact.at:
            self._keep(altered(alert, reached=fact.at), draft)

    # ── what follows ──────────────────────────────────────────────────────────
    def _carry_out(self, move: Move | None, draft: Draft) -> None:
        """Write down what follows for one alert, and for whoever must be told."""
        if move is None:
            return
        draft.transitions += move.transitions
        touched = self._inhibitor.put(move.alert)
        kind, until = self._suppression(move.alert)
        if kind != move.alert.suppression and not move.alert.closed:
            # Before anybody is told: behind a gateway that is away nobody is, but a level too high for that is.
            aside = _suppressed(move.alert, kind, draft.now)
            draft.transitions += aside.transitions
            move = replace(move, alert=aside.alert)
            if kind == Suppression.NONE:
                self._holdings.hasten(move.alert.id, draft.now)
        alert, sent, held = self._teller.tell(move, draft.now, until)
        draft.notes += sent
        draft.held += held
        self._keep(alert, draft)
        if touched is not None:
            for id_ in touched:
                self._review_suppression(self._open[id_], draft)
            self._holdings.hasten_orphans(draft.now, self._open.__contains__)

    def _keep(self, alert: Alert, draft: Draft) -> None:
        draft.alerts[alert.id] = alert
        self._agenda.set(alert.id, escalate.due(alert, self.policy))
        if alert.closed:
            del self._open[alert.id], self._key[alert.key]
            self._past.close(alert, draft.now)
        else:
            self._open[alert.id] = alert
            self._key[alert.key] = alert.id
            self._past.reopen(alert)


_WORDS = {
    (Suppression.SHELVED, True): "shelve",
    (Suppression.OUT_OF_SERVICE, True): "shelve",
    (Suppression.BY_DESIGN, True): "inhibit",
    (Suppression.SHELVED, False): "unshelve",
    (Suppression.OUT_OF_SERVICE, False): "unshelve",
    (Suppression.BY_DESIGN, False): "uninhibit",
}


def _suppressed(alert: Alert, kind: Suppression, now: int, *, by: str = "", note: str = "") -> Move:
    """Return the alert with another suppression; when it ends, an answer is awaited from then on."""
    ends = kind == Suppression.NONE
    cause = _WORDS[alert.suppression if ends else kind, not ends]
    step = f"unshelve-{alert.seq + 1}" if cause == "unshelve" else ""
    expected = now if ends and alert.state in UNANSWERED else alert.expected
    return lifecycle.moved(
        alert, cause, alert.state, t=now, now=now, step=step, by=by, note=note, suppression=kind,
        expected=expected,
    )  # fmt: skip


def _finding(edge: Edge, now: int) -> Finding:
    return Finding(
        edge.rule.code, edge.subject_kind, edge.subject, edge.level, edge.t, now, edge.value, edge.limit
    )


def _absent(alert: str, *, closed: bool) -> str:
    if closed:
        return f"预警 {alert} 已消警 / alert {alert} is closed already"
    return f"没有未消警的预警 {alert} / no alert {alert} is open: look at `fengsui alerts list --all`"
