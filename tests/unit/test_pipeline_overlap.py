"""The next unit is decided while the last is committed; order, acknowledgement and saved state do not suffer."""

import threading

import pytest

from alerts.changes import Changes
from core.batch import Batch
from core.events import Events
from ingest.batcher import Delivery
from service.metrics import PipelineMetrics
from service.pipeline import Pace, Pipeline, Terms
from service.town_catalog import catalog_of
from storage.errors import FencedError
from storage.ledger import Tally
from storage.unit import Outcome

PATIENCE_S = 20
NOTHING = catalog_of("")


class Source:
    """Yields n empty deliveries; each notes its acknowledgement."""

    def __init__(self, n, told):
        self.n, self.told = n, told
        self.order = self
        self.catalog = NOTHING

    def deliveries(self):
        for n in range(1, self.n + 1):
            self.told.append(("delivery", n))
            yield Delivery(
                Batch.empty(), (), {}, {}, 0, n, connected=True, first_arrived=n,
                ack=lambda n=n: self.told.append(("ack", n)),
            )  # fmt: skip

    def snapshot(self):
        return {}


class Desk:
    """Counts what it has decided: that is the state which a checkpoint saves."""

    def __init__(self):
        self.n, self.on_step = 0, lambda n: None

    def step(self, _events, _now, _commands, _reached):
        self.n += 1
        self.on_step(self.n)
        return Changes()


class Bank:
    def step(self, _batch, _now):
        return Events.empty()

    def snapshot(self):
        return {}


class Inbox:
    def commands(self):
        return ()

    def reached(self):
        return ()

    def catalog(self):
        return None


class Store:
    def __init__(self, told, desk):
        self.told, self.desk, self.busy, self.before = told, desk, False, lambda seq: None

    def commit(self, seq, _unit, _changes, _gateway_of):
        self.busy = True
        self.before(seq)
        self.told.append(("commit", seq))
        self.busy = False
        return Outcome(seq, Tally.none())

    def checkpoint(self, seq, _state, **_options):
        assert not self.busy
        self.told.append(("checkpoint", seq, self.desk.n))


def pipeline(n, checkpoint_s=1e9):
    told, desk = [], Desk()
    made = Pipeline(
        source=Source(n, told), bank=Bank(), desk=desk, store=Store(told, desk), inbox=Inbox(),
        terms=Terms(plan=None, policy=None, pace=Pace(checkpoint_s=checkpoint_s)), metrics=PipelineMetrics(),
    )  # fmt: skip
    made._checkpoint_due = 1
    return made, told


def test_the_next_unit_is_decided_while_the_last_is_committed():
    made, told = pipeline(3)
    decided = {n: threading.Event() for n in (1, 2, 3)}
    made.desk.on_step = lambda n: decided[n].set()
    waited = []
    made.store.before = lambda seq: waited.append(seq == 3 or decided[seq + 1].wait(PATIENCE_S))
    made._checkpoint_due = 10  # not between them
    made.run()
    assert waited == [True, True, True]
    done = [entry for entry in told if entry[0] in ("commit", "ack")]
    assert done == [(what, n) for n in (1, 2, 3) for what in ("commit", "ack")]


def test_a_checkpoint_holds_the_state_of_its_own_unit():
    made, told = pipeline(50, checkpoint_s=0)
    made.run()
    saved = [entry[1:] for entry in told if entry[0] == "checkpoint"]
    assert saved
    assert all(seq == n_decided for seq, n_decided in saved)
    assert saved[-1] == (50, 50)


def test_what_ends_a_commit_ends_the_pipeline_and_nothing_more_is_acknowledged():
    made, told = pipeline(10)
    made._checkpoint_due = 100

    def fail(seq):
        if seq == 3:
            raise FencedError("another pipeline has taken this database over")

    made.store.before = fail
    with pytest.raises(FencedError):
        made.run()
    assert [n for what, n, *_ in told if what == "ack"] == [1, 2]
    assert not [entry for entry in told if entry[0] == "checkpoint"]


def test_a_step_by_itself_waits_for_its_acknowledgement():
    made, told = pipeline(1)
    made._checkpoint_due = 10
    made.step(next(made.source.deliveries()))
    assert told == [("delivery", 1), ("commit", 1), ("ack", 1)]
