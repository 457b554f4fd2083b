"""The keeper: brings the worker news of the registry and of what people asked, and keeps the tables in order.

It has its own thread and its own connection; the worker only ever empties its slots.  Everything it does may
be late by a second or fail for a minute without harm: the worker goes on with what it has.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import structlog

from alerts.changes import Command, Reached
from alerts.policy import Policy
from core.time import DAY, clock_ns, seconds
from detectors.rulebook import RuleText
from registry.catalog import Catalog
from registry.load import load_catalog, registry_version
from registry.load_rules import add_series
from service.evidence import gather
from service.facts import missing
from service.metrics import PipelineMetrics
from service.own_rules import BUILT_IN
from service.rules import RuleFiles
from service.sources import SourceFiles
from storage import rule_words
from storage.alerts import pending_commands, reached
from storage.maintenance import Keep, maintain

log = structlog.get_logger("keeper")

_CHECKPOINT_AGE = (
    """SELECT extract(epoch FROM now() - created)::float8 FROM checkpoint ORDER BY seq DESC LIMIT 1"""
)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often the keeper looks, should a NOTIFY be lost."""

    look_s: float = 1.0
    maintain_s: float = 60.0
    retry_s: float = 2.0


class Keeper(threading.Thread):
    """Fills the slots `commands()` and `catalog()`; see the module."""

    def __init__(
        self,
        dsn: str,
        *,
        catalog: Catalog,
        version: str,
        keep: Keep,
        metrics: PipelineMetrics,
        rules: RuleFiles | None = None,
        sources: SourceFiles | None = None,
        rounds: Rounds = Rounds(),
        policy: Policy = Policy(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._dsn, self._keep, self._rounds, self._metrics = dsn, keep, rounds, metrics
        self._lock = threading.Lock()
        self._policy = policy
        self._commands: list[Command] = []
        self._reached: Sequence[Reached] = ()
        self._rules, self._newest, self._sources = rules, catalog, sources
        self._evidence_since = 0
        self._worded: tuple[RuleText, ...] | None = None
        self._provided: tuple[Catalog, tuple[RuleText, ...]] | None = None
        self._catalog: Catalog | None = None
        self._row_version, self._content_version = version, catalog.version
        self._last_command = 0
        self._maintained = 0
        self._ending = threading.Event()

    def commands(self) -> Sequence[Command]:
        """Return what people asked since the last call, in the order of asking."""
        if not self._commands:  # the common case takes no lock
            return ()
        with self._lock:
            taken, self._commands = self._commands, []
        return taken

    def reached(self) -> Sequence[Reached]:
        """Return the red alerts that are found to have reached somebody; said again until the desk has it."""
        taken, self._reached = self._reached, ()
        return taken

    def catalog(self) -> Catalog | None:
        """Return the registry as it is now if it, or the rules, changed since the last call."""
        if self._catalog is None:
            return None
        with self._lock:
            taken, self._catalog = self._catalog, None
        return taken

    def stop(self) -> None:
        """End soon; the thread is a daemon, so nobody needs to wait."""
        self._ending.set()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                with self._connect() as connection:
                    connection.execute("LISTEN fengsui_registry")
                    connection.execute("LISTEN fengsui_command")
                    self._rounds_on(connection)
            except psycopg.OperationalError as lost:
                log.warning("database lost, looking again", error=str(lost).strip())
                self._ending.wait(self._rounds.retry_s)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._dsn, autocommit=True, application_name="fengsui-keeper")

    def _rounds_on(self, connection: psycopg.Connection) -> None:
        while not self._ending.is_set():
            self._fetch_commands(connection)
            self._reached = reached(connection, self._policy)
            self._fetch_catalog(connection)
            self._look_at_rules()
            if self._sources:
                self._sources.look()
            self._put_rules_into_words(connection)
            self._make_series_of_facts(connection)
            self._gather_evidence(connection)
            self._maintain(connection)
            for _ in connection.notifies(timeout=self._rounds.look_s, stop_after=1):
                pass

    def _fetch_commands(self, connection: psycopg.Connection) -> None:
        fresh = pending_commands(connection, after=self._last_command)
        if fresh:
            self._last_command = fresh[-1].id
            with self._lock:
                self._commands.extend(fresh)

    def _fetch_catalog(self, connection: psycopg.Connection) -> None:
        """Load the registry when its row says so; one that cannot be read leaves the old one in force."""
        version = registry_version(connection)
        if version == self._row_version:
            return
        loads = self._metrics.catalog_loads
        try:
            catalog = load_catalog(connection)
        except BaseException:
            loads.labels("failed").inc()
            raise
        self._row_version = version
        if catalog.version == self._content_version:
            return
        self._content_version = catalog.version
        loads.labels("loaded").inc()
        log.info("registry changed", version=catalog.version)
        with self._lock:
            self._newest = self._catalog = catalog

    def _gather_evidence(self, connection: psycopg.Connection) -> None:
        """Keep what alerts rest on, from what was committed; what a stop left out is made up for."""
        now = clock_ns()
        since = self._evidence_since or now - DAY
        rules = self._rules.rules if self._rules else ()
        self._evidence_since = gather(connection, self._newest, rules, since=since, now=now)

    def _make_series_of_facts(self, connection: psycopg.Connection) -> None:
        """Give each fact that rules look at its series; the registry changes by it, and is loaded again."""
        if self._rules and (self._newest, self._rules.rules) != self._provided:
            self._provided = self._newest, self._rules.rules
            if wanted := missing(self._newest, self._rules.rules):
                log.info("series of facts made", n=len(wanted))
                add_series(connection, wanted)

    def _look_at_rules(self) -> None:
        """Have the registry taken over again when other rules are to be held against it."""
        if self._rules and self._rules.look():
            with self._lock:
                self._catalog = self._newest

    def _put_rules_into_words(self, connection: psycopg.Connection) -> None:
        """Let pages and dashboards say what a rule's code means, and what to do."""
        rules = self._rules.rules if self._rules else ()
        if rules != self._worded:
            rule_words.write(connection, (*BUILT_IN, *rules))
            self._worded = rules

    def _maintain(self, connection: psycopg.Connection) -> None:
        now = clock_ns()
        if now - self._maintained >= seconds(self._rounds.maintain_s):
            maintain(connection, now, self._keep)
            self._maintained = now
        row = connection.execute(_CHECKPOINT_AGE).fetchone()
        self._metrics.checkpoint_age.set(row[0] if row else 0.0)
