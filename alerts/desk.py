"""The desk: events and people's commands in, decisions out.  No I/O and no clock; it alone moves alerts.

    event ─▶ lifecycle (one alert's next state) ─▶ route (who) ─▶ message (words) ─▶ outbox (notes)

At most one alert is open per (rule, subject).  What is found in historical samples becomes a finding: stored,
shown, never sent.  What is repeated changes nothing (alerts/lifecycle.py says what counts as repeated).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from alerts import lifecycle
from alerts.changes import (
    Alert,
    Answer,
    Changes,
    Command,
    CommandKind,
    Finding,
    Note,
    Transition,
)
from alerts.lifecycle import Edge, Move
from alerts.message import render
from alerts.outbox import notes
from alerts.past import Key, Past
from alerts.policy import Policy
from alerts.route import Book, Stop, again, route
from core.events import Events, Kind, Rule, SubjectKind
from core.levels import Level
from registry.catalog import Catalog, Subject


@dataclass(slots=True)
class Draft:
    """One step's decisions while they are made; an alert is written once, as it stands in the end."""

    now: int
    alerts: dict[str, Alert] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def changes(self) -> Changes:
        return Changes(
            tuple(self.alerts.values()),
            tuple(self.transitions),
            tuple(self.notes),
            tuple(self.findings),
            tuple(self.answers),
        )


class Desk:
    """Holds the open alerts between two steps; the store holds the same after each commit.

    alerts      open ones, and closed ones of the recent past if there are any (they make replays identities)
    directory   the registry as the hot path sees it
    rules       the bank's rules, `Events.rule` is a row of it
    """

    def __init__(
        self, alerts: Iterable[Alert], policy: Policy, directory: Catalog, rules: Sequence[Rule]
    ) -> None:
        self.reload(directory, rules, policy)
        self.load(alerts)

    def load(self, alerts: Iterable[Alert]) -> None:
        """Forget everything and take over what the store holds."""
        alerts = tuple(alerts)
        self._open: dict[Key, Alert] = {alert.key: alert for alert in alerts if not alert.closed}
        self._key: dict[str, Key] = {alert.id: key for key, alert in self._open.items()}
        self._past = Past(self.policy.remember, (alert for alert in alerts if alert.closed))

    def reload(self, directory: Catalog, rules: Sequence[Rule], policy: Policy) -> None:
        """Go on with another registry, other rules or another policy; open alerts stay as they are."""
        self.policy, self.rules = policy, tuple(rules)
        self._rule_by_code = {rule.code: rule for rule in self.rules}
        self._book = Book.of(directory)
        self._routes: dict[tuple[int, int, Level, bool], tuple[Stop, ...]] = {}

    def open_alerts(self) -> Iterator[Alert]:
        """Yield what is open, in order of first raising."""
        return iter(self._open.values())

    def step(self, events: Events, now: int, commands: Sequence[Command] = ()) -> Changes:
        """Decide about one batch: its events in order of event time, then commands in order of asking.

        now : int    wall clock of the batch, ns
        """
        draft = Draft(now)
        for kind, edge in self._edges(events):
            self._take(kind, edge, draft)
        for command in commands:
            draft.answers.append(Answer(command.id, self._obey(command, draft)))
        return draft.changes()

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
        alert = self._open.get(edge.key)
        if kind == Kind.CLEAR:
            self._carry_out(lifecycle.cleared(alert, edge, draft.now) if alert else None, draft)
        elif edge.historical:
            draft.findings.append(_finding(edge, draft.now))
        elif alert is None:
            self._open_anew(edge, draft)
        else:
            self._carry_out(lifecycle.raised(alert, edge, draft.now), draft)

    def _open_anew(self, edge: Edge, draft: Draft) -> None:
        if edge.t > self._past.last_raise(edge.key):
            subject = self._book.subject(edge.subject_kind, edge.subject)
            self._carry_out(lifecycle.opened(edge, subject, draft.now), draft)

    def _obey(self, command: Command, draft: Draft) -> str:
        """Carry out what a person asked; return why not, "" when it was done or was done before."""
        key = self._key.get(command.alert)
        if key is None:
            return _absent(command.alert, closed=self._past.closed(command.alert))
        alert, by, note = self._open[key], command.by.strip(), command.note.strip()
        if not by:
            return "没有说明操作人 / who asks is missing: give a name"
        if command.kind == CommandKind.ACK:
            self._carry_out(lifecycle.acked(alert, draft.now, by=by, note=note), draft)
        elif not note:
            return "消警必须填写处置说明 / closing needs a note: say what was found and done"
        else:
            self._carry_out(lifecycle.closed(alert, draft.now, by=by, note=note), draft)
        return ""

    def _carry_out(self, move: Move | None, draft: Draft) -> None:
        """Write down what follows for one alert, and for whoever must be told."""
        if move is None:
            return
        alert, sent = self._notify(move, draft.now)
        draft.transitions += move.transitions
        draft.notes += sent
        draft.alerts[alert.id] = alert
        if alert.closed:
            del self._open[alert.key], self._key[alert.id]
            self._past.close(alert)
        else:
            self._open[alert.key] = alert
            self._key[alert.id] = alert.key
            self._past.reopen(alert.key)

    def _notify(self, move: Move, now: int) -> tuple[Alert, tuple[Note, ...]]:
        """Return the alert, which remembers who is told, and the notes."""
        alert, word = move.alert, move.step.split("-")[0]
        if word not in self.policy.tell:
            return alert, ()
        rule = self._rule_by_code.get(alert.rule) or Rule(alert.rule, alert.rule, alert.rule, alert.unit)
        subject = self._book.subject(alert.subject_kind, alert.subject)
        if word in ("raise", "level"):
            stops = self._route(alert, subject)
            alert = _remember(alert, stops)
        else:
            tier = self.policy.tier(alert.level, data_quality=alert.data_quality)
            stops = again(self._book, self.policy, tier, alert.told)
        message = render(alert, rule, subject, step=move.step, policy=self.policy)
        return alert, notes(alert, message, stops, step=move.step, policy=self.policy, now=now)

    def _route(self, alert: Alert, subject: Subject) -> tuple[Stop, ...]:
        """Look a route up once until the registry changes: a storm asks thousands of times."""
        key = (subject.enterprise, subject.area, alert.level, alert.data_quality)
        if key not in self._routes:
            self._routes[key] = route(
                self._book,
                self.policy,
                subject=subject,
                level=alert.level,
                data_quality=alert.data_quality,
            )
        return self._routes[key]


def _remember(alert: Alert, stops: Sequence[Stop]) -> Alert:
    told = tuple(dict.fromkeys((*alert.told, *(stop.recipient for stop in stops))))
    return alert if told == alert.told else replace(alert, told=told)


def _finding(edge: Edge, now: int) -> Finding:
    return Finding(
        edge.rule.code, edge.subject_kind, edge.subject, edge.level, edge.t, now, edge.value, edge.limit
    )


def _absent(alert: str, *, closed: bool) -> str:
    if closed:
        return f"预警 {alert} 已消警 / alert {alert} is closed already"
    return f"没有未消警的预警 {alert} / no alert {alert} is open: look at `fengsui alerts list --all`"
