"""From the configuration's [[sources]] to the feeds that ingest and the broker's permissions are made of."""

from __future__ import annotations

from dataclasses import fields

from ingest.feed import Feed
from service.config import Config


def feeds_of(config: Config) -> tuple[Feed, ...]:
    """Return what is subscribed to and how it is read, by precedence; a source has the fields of its feed."""
    return tuple(
        Feed(**{field.name: getattr(source, field.name) for field in fields(source)})
        for source in config.sources
    )
