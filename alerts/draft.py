"""Draft: one step's decisions while they are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from alerts.changes import (
    Alert,
    Answer,
    Changes,
    Digest,
    Finding,
    Held,
    Note,
    Shelf,
    Transition,
)


@dataclass(slots=True)
class Draft:
    """What one step has decided so far; an alert is written once, as it stands in the end."""

    now: int
    alerts: dict[str, Alert] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
    postponed: list[Held] = field(default_factory=list)
    shelves: dict[str, Shelf] = field(default_factory=dict)

    def changes(self) -> Changes:
        return Changes(
            tuple(self.alerts.values()),
            tuple(self.transitions),
            tuple(self.notes),
            tuple(self.findings),
            tuple(self.answers),
            tuple(self.held),
            tuple(self.released),
            tuple(self.digests),
            tuple(self.postponed),
            tuple(self.shelves.values()),
        )
