"""Conditions over several signals equal a naive twin; state survives a snapshot; three values are Kleene's."""

import itertools
import math
import operator

import numpy as np
import pytest
from naive.material import lines, same_state
from naive.naive_condition import NaiveCondition, both, compare, opposite

from core.batch import Batch, Quality
from core.events import Rule
from core.time import SECOND
from detectors.alarm import Samples
from detectors.bank import Bank
from detectors.condition import Condition
from detectors.expression import ExpressionError, compile_expression
from detectors.logic import both as fast_both
from detectors.logic import either
from detectors.plan import Conditions, Derived, Plan, Thresholds

START = 1_767_225_600 * SECOND
M = 6
PLACE = operator.itemgetter(0, 2)
RULES = {
    "a and not b": lambda n: both(_true(n, "a"), opposite(_true(n, "b"))),
    "a for 30 s and c > 5": lambda n: both(_lasting(n, 30.0), compare(n.value("c"), 5.0, operator.gt)),
    "since(a) < 45 s": lambda n: compare(n.since("a", _true(n, "a"), exact=True), 45.0, operator.lt),
    "a before b by 20 s": lambda n: _before(n, 20.0),
    "not (a or b)": lambda n: both(opposite(_true(n, "a")), opposite(_true(n, "b"))),
    "c - 2 * a >= 4 and b": lambda n: both(_difference(n), _true(n, "b")),
}


def _true(now, name):
    x = now.value(name)
    return None if x is None else x != 0


def _lasting(now, wanted_s):
    condition = _true(now, "a")
    lasted = now.since("a", condition, exact=False)
    return lasted >= wanted_s if condition else condition


def _before(now, by_s):
    ages = [now.since(name, _true(now, name), exact=True) for name in "ab"]
    return None if None in ages else ages[0] - ages[1] >= by_s


def _difference(now):
    a, c = now.value("a"), now.value("c")
    return None if a is None or c is None else c - 2 * a >= 4


def script(seed, n=400):
    """(subject, name, t, value): times go on, several signals may speak at one instant."""
    rng = np.random.default_rng(seed)
    t = START + np.cumsum(rng.choice([0, 1, 5, 40], n, p=[0.3, 0.4, 0.2, 0.1])) * SECOND
    rows = {}
    for at in t.tolist():
        subject, name = int(rng.integers(M)), "abc"[rng.integers(3)]
        rows[subject, name, at] = float(rng.integers(2)) if name != "c" else float(rng.integers(10))
    return [(subject, name, at, x) for (subject, name, at), x in rows.items()]


MAX_AGE = {"a": 120 * SECOND, "b": 200 * SECOND, "c": 0}


def condition(text, **params):
    names = [name for name in compile_expression(text).names if name not in params]
    return Condition(
        text,
        subject_kind=2,
        subject=np.arange(M, dtype=np.int32),
        inputs={name: np.arange(M) + M * "abc".index(name) for name in names},
        max_age={name: np.full(M, MAX_AGE[name]) for name in names},
        params=params,
        base=1000,
    )


def samples(rows):
    """Rows as the pools hand them over: by channel, in order of time."""
    rows = sorted(((s + M * "abc".index(n), t, x) for s, n, t, x in rows), key=lambda r: r[:2])
    channel, count = np.unique([r[0] for r in rows], return_counts=True)
    t, x = np.array([r[1] for r in rows], np.int64), np.array([r[2] for r in rows])
    return Samples(channel, count, t, x, np.ones(len(rows), bool))


def cut(rows, n_instants):
    """The rows in parts of so many different times."""
    times = sorted({t for _, _, t, _ in rows})
    for first in range(0, len(times), n_instants):
        here = set(times[first : first + n_instants])
        yield [row for row in rows if row[2] in here]


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_instants", [1, 17, 400])
def test_a_condition_equals_its_twin_however_the_samples_are_cut(text, seed, n_instants):
    names = set(compile_expression(text).names)
    rows = [row for row in script(seed) if row[1] in names]
    fast, found = condition(text), {}
    for part in cut(rows, n_instants):
        answer = fast.feed(samples(part))
        if answer is not None:
            owner = np.repeat(answer.channel - 1000, answer.count).tolist()
            found |= dict(zip(zip(owner, answer.t.tolist(), strict=True), answer.value.tolist(), strict=True))
    ages = {name: MAX_AGE[name] or math.inf for name in names}
    slow = [NaiveCondition(RULES[text], ages) for _ in range(M)]
    expected = {}
    for (subject, t), instant in itertools.groupby(sorted(rows, key=PLACE), key=PLACE):
        expected[subject, t] = slow[subject].take([row[1:] for row in instant])
    known = {key: float(truth) for key, truth in expected.items() if truth is not None}
    assert found == known
    assert len(known) > 10
    assert set(known.values()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("a for long", "a for 30 s"),
        ("a before b by long", "a before b by 30 s"),
        ("c > baseline(c, a, b, long)", "c > baseline(c, a, b, 30 s)"),
    ],
)
def test_a_parameter_stands_for_a_time_and_may_differ_by_subject(named, written):
    names = set(compile_expression(written).names)
    rows = [row for row in script(3, 2000) if row[1] in names]
    long = np.where(np.arange(M) % 2 == 0, 30.0, 5.0)
    found = condition(named, long=long).feed(samples(rows))
    for_all = {30.0: written, 5.0: written.replace("30 s", "5 s")}
    every = {by: condition(text).feed(samples(rows)) for by, text in for_all.items()}
    for subject, by in enumerate(long.tolist()):
        mine, theirs = (of_subject(answer, subject) for answer in (found, every[by]))
        assert mine == theirs
    assert any(of_subject(every[30.0], odd) != of_subject(found, odd) for odd in range(1, M, 2))


def of_subject(answer, subject):
    rows = np.repeat(answer.channel, answer.count) == 1000 + subject
    return list(zip(answer.t[rows].tolist(), answer.value[rows].tolist(), strict=True))


def test_three_values_are_kleenes():
    table = {None: math.nan, False: 0.0, True: 1.0}
    for a, b in itertools.product(table, table):
        x, y = np.array([table[a]]), np.array([table[b]])
        np.testing.assert_equal(fast_both(x, y)[0], table[both(a, b)])
        np.testing.assert_equal(either(x, y)[0], table[opposite(both(opposite(a), opposite(b)))])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a and", "column 6"),
        ("a for 5", "duration"),
        ("a $ b", "`$`"),
        ("magic(a)", "no function `magic`"),
        ("a b", "left over"),
        ("since a", "brackets"),
        ("unbalance(a, b)", "takes 3"),
    ],
)
def test_what_is_not_understood_is_shown_with_its_place(text, told):
    with pytest.raises(ExpressionError, match="column") as refused:
        compile_expression(text)
    assert told in str(refused.value)


def plan():
    series = np.arange(1, 4, dtype=np.int32)
    value = Derived("value", series, {}, Thresholds.rows())
    slope = Derived("slope", series[2:], {"window_s": np.array([60.0])}, Thresholds.rows())
    inputs = {"a": 0, "b": 1, "slope(c, 60)": 3}
    made = Conditions(
        "a and not b for 20 s or slope(c, 60) > high",
        subject_kind=2,
        subject=np.array([9], np.int32),
        inputs={name: np.array([row], np.int32) for name, row in inputs.items()},
        max_age={name: np.array([60 * SECOND]) for name in inputs},
        params={"high": np.array([0.05])},
        limits=Thresholds.rows([{"rule": 0, "series": 0, "level": 4, "limit": 1.0, "on_delay": 10 * SECOND}]),
    )
    return Plan(
        (Rule("D-10", "", ""),), inputs=(value, slope), conditions=(made,), gateway_of=np.ones(4, np.int32)
    )


def readings(seed):
    """One batch per ten seconds; each signal speaks in half of them."""
    rng = np.random.default_rng(seed)
    for n in range(200):
        speaks = np.flatnonzero(rng.random(3) < 0.5) + 1
        value = np.where(speaks < 3, rng.random(len(speaks)) < 0.5, rng.uniform(0, 10, len(speaks)))
        t = np.full(len(speaks), START + n * 10 * SECOND)
        quality = np.full(len(speaks), Quality.GOOD, np.uint8)
        yield Batch(speaks.astype(np.int32), t, value.astype(float), quality)


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_bank_goes_on_with_its_conditions(seed):
    first, said = Bank(plan(), now=START), 0
    for batch in readings(seed):
        second = Bank()
        second.restore(first.snapshot())
        events = lines(first.step(batch, START))
        assert lines(second.step(batch, START)) == events
        same_state(first.snapshot(), second.snapshot())
        said += len(events)
        first = second
    assert said


@pytest.mark.parametrize("seed", range(4))
def test_conditions_say_the_same_of_one_large_batch(seed):
    apart, together = Bank(plan(), now=START), Bank(plan(), now=START)
    parts = list(readings(seed))
    columns = [np.concatenate([getattr(b, name) for b in parts]) for name in Batch.__slots__]
    said = [line for batch in parts for line in lines(apart.step(batch, START))]
    assert lines(together.step(Batch.of(*columns), START)) == said


def test_a_reload_keeps_what_a_condition_remembers():
    bank, fresh = Bank(plan(), now=START), Bank(plan(), now=START)
    for batch in readings(1):
        said = lines(fresh.step(batch, START))
        assert lines(bank.step(batch, START)) == said
        assert not len(bank.configure(plan(), START))


def learned(rows, wanted_s):
    """The baseline of one subject, instant by instant: x, use and restart hold until their next sample."""
    held = dict.fromkeys("abc", math.nan)
    area = used = 0.0
    before, t_before, found = None, None, []
    for t, instant in itertools.groupby(rows, key=operator.itemgetter(1)):
        now = held | {name: x for name, _, x in instant}
        if now["b"] == 1 and (before is None or before["b"] != 1):
            area = used = 0.0
        elif before is not None and before["a"] == 1 and not math.isnan(before["c"]) and used < wanted_s:
            area += before["c"] * (t - t_before) / 1e9
            used += (t - t_before) / 1e9
        found.append(area / used if used >= wanted_s else math.nan)
        held, before, t_before = now, now, t
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_instants", [1, 13, 400])
def test_a_baseline_is_the_mean_over_the_first_time_of_use(seed, n_instants, monkeypatch):
    monkeypatch.setitem(MAX_AGE, "a", 0)
    monkeypatch.setitem(MAX_AGE, "b", 0)
    # Restarts are rare: only the last tenth of the ones.
    rng = np.random.default_rng(seed)
    spoken = {(n, t): x * (n != "b" or rng.random() < 0.05) for _, n, t, x in script(seed)}
    rows = [(0, n, t, x) for (n, t), x in spoken.items()]
    fast, found = condition("baseline(c, a, b, 100 s) + 0"), []
    for part in cut(rows, n_instants):
        answer = fast.feed(samples(part))
        if answer is not None:
            found += list(zip(answer.t.tolist(), answer.value.tolist(), strict=True))
    ordered = sorted({(t, n, x) for _, n, t, x in rows})
    expected = dict(
        zip(sorted({t for t, _, _ in ordered}), learned([(n, t, x) for t, n, x in ordered], 100), strict=True)
    )
    known = {t: y for t, y in expected.items() if not math.isnan(y)}
    assert [t for t, _ in found] == list(known)
    np.testing.assert_allclose([y for _, y in found], list(known.values()), rtol=1e-9)
    assert len(known) > 20
