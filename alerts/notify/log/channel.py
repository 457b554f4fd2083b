"""Notes as lines of the process's log, and of a file if one is named.

address    not used; the recipient is named in the line
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import structlog

from alerts.changes import Note
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import mask
from alerts.notify.webhook.channel import document

log = structlog.get_logger("note")


@dataclass(frozen=True, slots=True)
class Log:
    """Writes notes down; a line is one note."""

    client: httpx.AsyncClient = field(repr=False)
    path: str = ""
    per_minute: int = 1_000_000

    def credential(self, note: Note) -> str:  # noqa: ARG002 - the contract's
        return self.path

    async def send(self, note: Note) -> Receipt:
        log.warning(
            mask(note.title),
            level_name=note.level.en,
            alert=note.alert,
            step=note.step,
            recipient=note.recipient,
            link=note.link,
        )
        if self.path:
            self._append(note)
        return Receipt()

    def _append(self, note: Note) -> None:
        """Write a line at once, so that two processes may share the file; too short to need a thread."""
        line = mask(msgspec.json.encode(document(note)).decode()) + "\n"
        try:
            with Path(self.path).open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as failed:
            raise ChannelError(ErrorKind.RETRY, "disk", failed.strerror or "cannot write") from None
