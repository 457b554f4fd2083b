"""Guard: topics that name no gateway are only for the gateways that the registry allows them.

On such a topic nobody can tell who published: whoever may use it can pose as every other that may.  So readings of a
gateway that may not are refused there, whoever sent them (docs/security.md).
"""

from __future__ import annotations

from core.reject import Reason
from ingest.columns import Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Adopting, Format, Ticking
from registry.catalog import Catalog


def names_sender(feed: Feed) -> bool:
    """Return whether a topic of this feed tells whose a message is; the native format's third level does."""
    named = any(level in feed.filter.split("/") for level in ("{gateway}", "{device}"))
    return named or feed.format == "native" or bool(feed.gateway)


class Guarded:
    """A format behind the check; takes a message whole or not at all."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self._catalog: Catalog | None = None
        self._allowed: frozenset[int] = frozenset()

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Decode, then refuse what is not of a gateway that may use such topics."""
        if catalog is not self._catalog:
            self._catalog = catalog
            shared = (gateway.id for gateway in catalog.gateways.values() if gateway.shared_topics)
            self._allowed = frozenset(shared)
        start = len(columns.series)
        self.form.decode(message, catalog, columns)
        foreign = {int(catalog.gateway[key]) for key in set(columns.series[start:])} - self._allowed
        if foreign:
            columns.undo()
            detail = (
                "the topic names no gateway, and the registry does not allow the device's gateway such topics"
            )
            columns.reject(0, Reason.WRONG_OWNER, detail)

    def adopt(self, before: Format) -> None:
        """Hand on what the format behind the other check has learned."""
        if isinstance(self.form, Adopting):
            self.form.adopt(before.form if isinstance(before, Guarded) else before)

    def tick(self, columns: Columns, now: int) -> None:
        """Let time pass for a format that wants to know."""
        if isinstance(self.form, Ticking):
            self.form.tick(columns, now)
