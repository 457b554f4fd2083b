"""Messages of foreign formats through a decoder; for tests of the formats."""

from core.batch import HISTORICAL, Quality
from core.time import DAY
from ingest.columns import Message, Tolerance
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.open_catalog import OpenCatalog

NOW = 1_795_222_800_000_000_000  # 2026-11-21T01:00:00Z
FAR = Tolerance(future=40_000 * DAY, age=40_000 * DAY)


class Wire:
    """One feed in a registry where everything exists; keeps what was read."""

    def __init__(self, *feed, catalog=None, **more):
        self.everything = OpenCatalog(**more)
        self.catalog = catalog or self.everything.catalog
        self.decoder = Decoder([Feed(*feed)], self.catalog, tolerance=FAR)
        self.format = self.decoder._filters[0][1]
        self.mid = 0

    def send(self, topic, payload, *, at=NOW, **more):
        """Decode one message; return what came of it."""
        payload = payload.encode() if isinstance(payload, str) else payload
        self.mid += 1
        self.rows = self.decoder.decode([Message(topic, payload, at, mid=self.mid, **more)], at)
        return self

    def wait(self, at):
        """Let time pass without a message."""
        self.rows = self.decoder.decode([], at)
        return self

    @property
    def values(self):
        """{signal: value}"""
        return {key[-1]: value for key, value in self._named()}

    @property
    def readings(self):
        """[(device, signal, value)]"""
        return [(*key[1:], value) for key, value in self._named()]

    def _named(self):
        owner = self.everything.owner
        series, values = self.rows.series.tolist(), self.rows.value.tolist()
        return [(owner.get(one, ("", "", one)), value) for one, value in zip(series, values, strict=True)]

    @property
    def times(self):
        """ns after NOW"""
        return [t - NOW for t in self.rows.t.tolist()]

    @property
    def quality(self):
        return {Quality(one & 3).name.lower() for one in self.rows.quality.tolist()}

    @property
    def historical(self):
        return [bool(one & HISTORICAL) for one in self.rows.quality.tolist()]

    @property
    def reasons(self):
        return [str(reject.reason) for reject in self.rows.rejects]

    @property
    def details(self):
        return " · ".join(reject.detail for reject in self.rows.rejects)

    @property
    def answers(self):
        return [(reply.topic, reply.payload) for reply in self.rows.replies]
