"""The general score and the chart of a device in the bank: they raise, are kept, and follow a reload."""

from dataclasses import replace

import numpy as np
from naive.material import SECOND, START, lines, same_state

from core.batch import Batch
from core.events import Kind, Rule
from detectors.anomaly import Watched
from detectors.bank import Bank
from detectors.pca import Devices
from detectors.plan import Plan

RULES = (Rule("A-01", "", ""), Rule("A-02", "", ""))
N = 900


def devices(*signals, rule=1, threshold=1.0):
    return Devices(
        np.array([7], np.int32),
        np.array([rule], np.int32),
        np.array([1], np.uint8),
        np.array([signals], np.int32),
        np.array([threshold]),
    )


PLAN = Plan(
    rules=RULES,
    scored=Watched.of(np.array([3], np.int32)),
    devices=devices(1, 2),
    gateway_of=np.ones(6, np.int32),
)


def part(begin, end, *, broken=N):
    """Two signals that go together until `broken`; a third that steps there."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=2 * N)
    columns = [common, common + 0.1 * rng.normal(size=2 * N), rng.normal(size=2 * N)]
    columns[1][broken:] -= 3.0
    columns[2][broken : broken + 40] += 9.0
    n = end - begin
    return Batch.of(
        np.repeat([1, 2, 3], n),
        START + np.tile(np.arange(begin, end), 3) * SECOND,
        np.concatenate([column[begin:end] for column in columns]),
    )


def codes(bank, events):
    return [
        (bank.rules[r].code, Kind(k).name)
        for r, k in zip(events.rule.tolist(), events.kind.tolist(), strict=True)
    ]


def trained(plan=PLAN):
    bank = Bank(plan, now=START)
    assert codes(bank, bank.step(part(0, N), START)) == []
    return bank


def test_a_step_and_a_broken_relation_are_raised_about_series_and_device():
    bank = trained()
    events = bank.step(part(N, N + 30), START)
    assert sorted(codes(bank, events)) == [("A-01", "RAISE"), ("A-02", "RAISE")]
    assert sorted(zip(events.subject_kind.tolist(), events.subject.tolist(), strict=True)) == [(1, 3), (2, 7)]


def test_a_device_has_its_own_threshold():
    strict, lax = (trained(replace(PLAN, devices=devices(1, 2, threshold=by))) for by in (1.0, 1e6))
    ours, theirs = (bank.step(part(N, N + 30), START) for bank in (strict, lax))
    assert ("A-02", "RAISE") in codes(strict, ours)
    assert ours.limit[ours.subject_kind == 2].tolist() == [1.0]
    assert codes(lax, theirs) == [("A-01", "RAISE")]


def test_a_restored_bank_goes_on():
    bank, other = trained(), Bank()
    other.restore(bank.snapshot())
    same_state(bank.snapshot(), other.snapshot())
    batch = part(N, N + 200)
    assert lines(bank.step(batch, START)) == lines(other.step(batch, START))
    same_state(bank.snapshot(), other.snapshot())


def test_a_checkpoint_from_before_there_were_scores_is_read():
    old = {
        k: v for k, v in Bank(Plan(), now=START).snapshot().items() if not k.startswith(("anomaly/", "pca/"))
    }
    bank = Bank(PLAN, now=START)
    bank.restore(old)
    assert not len(bank.step(part(0, 10), START))


def test_the_same_plan_again_changes_nothing():
    bank = trained()
    before = bank.snapshot()
    assert not len(bank.configure(PLAN, START))
    same_state(before, bank.snapshot())


def test_what_was_learned_follows_a_reload_that_adds_series_a_wider_device_and_moves_the_rules():
    one, other = trained(), trained()
    wider = Devices(
        np.array([7, 8], np.int32),
        np.array([0, 0], np.int32),
        np.array([1, 1], np.uint8),
        np.array([[1, 2, 0], [3, 4, 5]], np.int32),
        np.ones(2),
    )
    moved = replace(
        PLAN, rules=RULES[::-1], scored=Watched.of(np.array([2, 3], np.int32), rule=1), devices=wider
    )
    assert not len(other.configure(moved, START))
    batch = part(N, N + 100)
    mine, theirs = codes(one, one.step(batch, START)), codes(other, other.step(batch, START))
    assert ("A-02", "RAISE") in mine
    assert [c for c in mine if c[0] == "A-02"] == [c for c in theirs if c[0] == "A-02"]
    assert ("A-01", "RAISE") in theirs
    assert not len(other.configure(replace(moved, devices=replace(wider)), START))


def test_what_is_raised_and_no_longer_watched_is_said_to_be_clear():
    bank = trained()
    bank.step(part(N, N + 30), START)
    events = bank.configure(
        replace(PLAN, rules=(), scored=Watched.of(np.empty(0, np.int32)), devices=Devices.none()),
        START + SECOND,
    )
    assert sorted(codes(bank, events)) == [("A-01", "CLEAR"), ("A-02", "CLEAR")]
    assert (events.t == START + SECOND).all()


def test_another_pair_of_signals_is_learned_anew():
    bank = trained()
    bank.configure(replace(PLAN, devices=devices(1, 3)), START)
    assert ("A-02", "RAISE") not in codes(bank, bank.step(part(N, N + 60), START))
