"""The contract of a channel: take one note, return what the provider said, or raise ChannelError.

A channel does one attempt.  When to try again, what to try instead and when to give up is decided for all of
them in alerts/notify/sender.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from alerts.changes import Note
from core.errors import FengsuiError


class ErrorKind(StrEnum):
    """What follows from an attempt that failed."""

    RETRY = "retry"  # the provider is busy, away, or says: slower
    REFRESH = "refresh"  # a token was refused: fetch a new one, then again
    FALLBACK = "fallback"  # not this recipient by this channel, now: another channel may do
    PERMANENT = "permanent"  # this note will never be taken
    CONFIG = "config"  # the operator must repair something: key, signature, allowed address


class ChannelError(FengsuiError):
    """A note was not accepted, or nobody knows whether it was.

    kind            what follows
    code            the provider's own code ("45009", "http 503", "timeout"): a label of the metric
    text            what happened, for the operator; no secrets, no telephone numbers
    retry_after_s   not before this; 0 = as the sender thinks fit
    maybe_sent      the note left us and no answer came: it may have arrived
    """

    def __init__(
        self,
        kind: ErrorKind,
        code: str,
        text: str,
        *,
        retry_after_s: float = 0.0,
        maybe_sent: bool = False,
    ) -> None:
        super().__init__(f"{kind} {code}: {text}")
        self.kind, self.code, self.text = kind, code, text
        self.retry_after_s, self.maybe_sent = retry_after_s, maybe_sent


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider said when it accepted a note.

    id        the provider's name of the message, "" when it gives none
    detail    what an inquiry may want to know, e.g. who of several was not reached
    """

    id: str = ""
    detail: str = ""


class Channel(Protocol):
    """One way to reach people; one instance per [channels.NAME] of the configuration."""

    @property
    def per_minute(self) -> int:
        """Return how many notes per minute one credential may send."""

    def credential(self, note: Note) -> str:
        """Return a name for what the provider's limit counts (a robot, an app); never the secret itself."""

    async def send(self, note: Note) -> Receipt:
        """Send a note once.  Returns when the provider has accepted it; raises ChannelError else."""


@runtime_checkable
class Traceable(Protocol):
    """A channel whose provider cannot tell repeats, but can be asked what it has sent (SMS)."""

    async def find(self, note: Note) -> Receipt | None:
        """Return the receipt when an earlier attempt was accepted after all; ask before every later attempt.

        None when the provider knows of none, which is no proof.  Raises ChannelError.
        """
