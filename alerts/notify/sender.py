"""Sender: what follows after an attempt that failed; pure, with `now` and the random number handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from alerts.changes import Note
from alerts.message import cut_chars
from alerts.notify.contract import ChannelError, ErrorKind
from alerts.policy import Policy
from core.levels import Level
from core.time import seconds

UNDELIVERED = "dead"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a note is tried.

    retry_s       the pause before the second attempt is up to this, and doubles with each attempt
    retry_max_s   the longest pause
    attempts, max_age_s    after so many, or so long after the decision, the note is dead
    red_max_s, red_age_s   the same for red, which is tried often and given up soon: within its time to answer
                  somebody must have it, or the operator must know
    """

    retry_s: float = 2.0
    retry_max_s: float = 300.0
    attempts: int = 12
    max_age_s: float = 86_400.0
    red_max_s: float = 15.0
    red_age_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at `at`, ns."""

    at: int


@dataclass(frozen=True, slots=True)
class Dead:
    """Give this channel up.  Another channel may be tried; without one, the operator must be told."""

    reason: str


def after(
    note: Note,
    attempt: int,
    error: ChannelError,
    *,
    now: int,
    patience: Patience,
    rng: Callable[[], float],
) -> Retry | Dead:
    """Decide what follows after attempt number `attempt` (from 1) failed.

    rng : () -> float in [0, 1)    full jitter: senders that failed together do not come back together
    """
    reason = f"{error.kind} {error.code}: {error.text}"
    if error.kind not in (ErrorKind.RETRY, ErrorKind.REFRESH):
        return Dead(reason)
    red = note.level == Level.RED
    if attempt >= patience.attempts and not red:
        return Dead(f"{reason} (attempt {attempt})")
    longest_s = patience.red_max_s if red else patience.retry_max_s
    pause_s = rng() * min(longest_s, patience.retry_s * 2 ** min(attempt - 1, 30))
    at = now + seconds(max(pause_s, error.retry_after_s))
    age_s = patience.red_age_s if red else patience.max_age_s
    if at > note.created + seconds(age_s):
        return Dead(f"{reason} (older than {age_s:g} s)")
    return Retry(at)


def fallback(note: Note, addresses: Mapping[str, str], policy: Policy, *, now: int) -> Note | None:
    """Return the note by the contact's next channel, or None when there is none.

    addresses : channel -> address of the contact, in order of preference.  Only channels behind the one that
    failed are tried, so that it ends.
    """
    order = list(addresses)
    behind = order[order.index(note.channel) + 1 :] if note.channel in order else []
    for channel in behind:
        if not policy.channels or channel in policy.channels:
            key = f"{note.alert}:{note.step}:{note.recipient}:{channel}"
            return replace(note, key=key, channel=channel, address=addresses[channel], created=now)
    return None


def undelivered(
    note: Note, reason: str, *, recipient: str, channel: str, address: str, now: int, policy: Policy
) -> Note | None:
    """Return what the operator is told about a dead note (law 7); None when the dead one is such a note."""
    if note.step.startswith(UNDELIVERED):
        return None
    step = f"{UNDELIVERED}-{note.step}-{note.recipient}-{note.channel}"
    return Note(
        key=f"{note.alert}:{step}:{recipient}:{channel}",
        alert=note.alert,
        step=step,
        recipient=recipient,
        channel=channel,
        address=address,
        level=note.level,
        title=cut_chars(f"【未送达】{note.title}", policy.title_chars),
        text_zh=f"未能经 {note.channel} 送达 {note.recipient}（{reason}），请人工联系。\n{note.text_zh}",
        text_en=f"{note.recipient} was not reached by {note.channel} ({reason}): call.\n{note.text_en}",
        link=note.link,
        created=now,
    )
