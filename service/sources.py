"""The sources in force: read at the start, looked at while running, refused without harm when they are wrong.

Looked at are the configuration's [[sources]], and the mappings and tables of names that they name.  Everything else in
the configuration is read at the start only.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from core.errors import ConfigError
from ingest.feed import Feed
from ingest.readers import Reader, files_of, read_sources
from service.config import Config, load
from service.feeds import feeds_of
from service.metrics import PipelineMetrics
from service.stamps import Stamps, stamps_of

log = structlog.get_logger("sources")


class SourceFiles:
    """`feeds` are in force, as `written`; `look` reads again what has changed, `take` hands it over once.

    path : the configuration's file, None = there is none, and only mappings and names can change
    metrics : None for who counts nothing
    """

    def __init__(self, path: Path | None, config: Config, metrics: PipelineMetrics | None = None) -> None:
        self._path, self._metrics = path, metrics
        self._identified = not config.mqtt.anonymous
        self._config = config
        self.written, self.feeds = config.sources, feeds_of(config)
        self._stamps = self._look(self.feeds)
        self._readers = read_sources(self.feeds, identified=self._identified)
        self._fresh: Sequence[Reader] | None = None
        self._lock = threading.Lock()

    def take(self) -> Sequence[Reader] | None:
        """Return the sources if other ones are in force since the last call; from the worker's thread."""
        if self._fresh is None:  # the common case takes no lock
            return None
        with self._lock:
            taken, self._fresh = self._fresh, None
        return taken

    def look(self) -> bool:
        """Return whether other sources are in force since the last call."""
        stamps = self._look(self.feeds)
        if stamps == self._stamps:
            return False
        self._stamps, written = stamps, self.written
        try:
            if self._path:
                written = load(self._path).sources
            feeds = feeds_of(replace(self._config, sources=written))
            stamps = self._look(feeds)
            readers = read_sources(feeds, identified=self._identified, before=self._readers)
        except ConfigError as error:
            self._refused(error)
            return False
        self._stamps = stamps
        self._count("loaded", refused=0)
        if readers == self._readers:
            return False
        log.info("sources read", n=len(readers), filters=[feed.filter for feed in feeds])
        with self._lock:
            self.feeds, self.written, self._readers, self._fresh = feeds, written, readers, readers
        return True

    def _refused(self, error: ConfigError) -> None:
        self._count("failed", refused=1)
        log.error(
            "sources refused", so="those in force stay", where=error.where, problem=error.problem, remedy=error.remedy
        )  # fmt: skip

    def _count(self, result: str, *, refused: int) -> None:
        if self._metrics:
            self._metrics.source_loads.labels(result).inc()
            self._metrics.sources_refused.set(refused)

    def _look(self, feeds: Sequence[Feed]) -> Stamps:
        """Return the stamps of all files that these sources come from."""
        paths = [self._path] if self._path else []
        for feed in feeds:
            try:
                paths += files_of(feed)
            except ConfigError:  # a mapping that has gone
                paths.append(Path(feed.mapping))
        return stamps_of(paths)
