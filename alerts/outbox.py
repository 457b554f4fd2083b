"""Outbox: which notes follow from one step of an alert; pure.

The key of a note, "ALERT:STEP:RECIPIENT:CHANNEL", makes a repeated step harmless: the table of the outbox
takes a key once, and channels hand it on to receivers that can tell repeats themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from alerts.changes import Alert, Note
from alerts.message import Message, with_gap
from alerts.policy import Policy
from alerts.route import Stop


def notes(
    alert: Alert, message: Message, stops: Sequence[Stop], *, step: str, policy: Policy, now: int
) -> tuple[Note, ...]:
    """Return one note per stop; who stands for a hole in the registry reads that first."""
    sent = []
    for stop in stops:
        words = with_gap(message, stop.gap, policy) if stop.gap[0] else message
        sent.append(
            Note(
                key=f"{alert.id}:{step}:{stop.recipient}:{stop.channel}",
                alert=alert.id,
                step=step,
                recipient=stop.recipient,
                channel=stop.channel,
                address=stop.address,
                level=alert.level,
                title=words.title,
                text_zh=words.text_zh,
                text_en=words.text_en,
                link=words.link,
                created=now,
            )
        )
    return tuple(sent)
