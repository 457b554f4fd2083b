"""After a resumed session nothing is delivered before the broker can have sent again what it sent before."""

from ingest.inlet import Chunk
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source
from service.decoding import OpenCatalog


class ResumedWhileWaiting:
    """A session that is not connected when the source begins to wait, and resumed when the first message is there."""

    def __init__(self):
        self.came, self.n_held = False, 0

    def start(self):
        pass

    def close(self):
        pass

    def settles_s(self, _now_s):
        return 0.01 if self.came else 0.0

    def take(self, *_room):
        if self.came:
            return None
        self.came = True
        return Chunk(None, ["first"], 5)


def test_what_comes_while_the_source_waits_for_a_connection_is_held_too(monkeypatch):
    monkeypatch.setattr("ingest.source.Session", lambda *_settings, **_more: ResumedWhileWaiting())
    source = Source(IngestSettings(), BrokerSettings(), OpenCatalog().catalog)
    delivery = next(source.deliveries())
    assert (delivery.messages, delivery.connected) == (0, False)
    assert [chunk.messages for chunk in source._held] == [["first"]]
