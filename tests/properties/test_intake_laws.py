"""Laws of the intake: decoders are total, order equals its naive twin, the ledger closes."""

import json
from collections import Counter

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.batch import Quality
from core.reject import Reason
from ingest.columns import Columns, Message, Rows, Tolerance
from ingest.decode import Decoder
from ingest.formats.native import NativeFormat, _take_slowly
from ingest.instant import LARGEST, from_float, nanoseconds
from ingest.order import Order, ordering
from tests.fakes.gateways import NOW, NOW_MS, SIGNALS, TOPIC, catalog
from tests.naive.naive_order import NaiveOrder

CATALOG = catalog()
FILTERS = (("fs/v1/+/+", "native"), ("v1/gateway/telemetry", "thingsboard"))
TOPICS = (TOPIC, "fs/v1/gw2/meter1", "fs/v1/gw1/$status", "fs/v1/gw9/x", "v1/gateway/telemetry", "other", "")

scalars = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.integers(), st.floats(), st.sampled_from([10**400, 0]),
    st.integers(-100_000, 100_000).map(lambda offset: NOW_MS + offset),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
trust = st.sampled_from(["good", "bad", 7, None])
values = st.none() | st.floats(-100, 500) | scalars
names = st.sampled_from([*SIGNALS, "nobody", "", "\ud800", "\0"])
nearly_rows = st.fixed_dictionaries({}, optional={
    "m": names | anything, "v": values, "ts": scalars, "q": trust, "x": anything,
})  # fmt: skip
nearly_columns = st.fixed_dictionaries({}, optional={
    "t0": scalars, "dt": st.lists(st.integers(0, 5000) | scalars, max_size=3), "q": trust,
    "series": st.dictionaries(names, st.lists(values, max_size=3) | anything, max_size=3),
})  # fmt: skip
entries = st.fixed_dictionaries({}, optional={"ts": scalars, "values": st.dictionaries(names, scalars)})
nearly_thingsboard = st.dictionaries(
    st.sampled_from(["dust1", "meter1", "nobody"]),
    st.lists(entries | anything) | anything,
)
bodies = st.one_of(
    nearly_rows, st.lists(nearly_rows | anything, max_size=4), nearly_columns, nearly_thingsboard, anything,
    st.fixed_dictionaries({"readings": st.lists(nearly_rows, max_size=4) | anything}),
)  # fmt: skip
payloads = st.binary(max_size=200) | bodies.map(lambda body: json.dumps(body).encode())


@st.composite
def damaged(draw):
    """A payload with one byte changed, or cut."""
    payload = draw(payloads)
    if not payload:
        return payload
    place = draw(st.integers(0, len(payload) - 1))
    return payload[:place] + draw(st.sampled_from([b"", b"\xff", b"9", b'"', b"["])) + payload[place + 1 :]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TOPICS), payloads | damaged(), st.booleans()), max_size=5))
@example([(TOPIC, b"[" * 100_000, False)])
@example([(TOPIC, b'{"m":' * 100_000, False)])
@example([(TOPIC, b'{"series": {"pressure_drop": [1]}, "t0": 1e308, "dt": [1e308]}', False)])
def test_decoding_is_total_and_counts_everything(messages):
    """Any bytes on any topic become sound rows, or rejects, or no reading; never an exception."""
    decoder = Decoder(FILTERS, CATALOG)
    now = NOW
    result = decoder.decode([Message(*part[:2], now, part[2]) for part in messages], now)
    assert np.isfinite(result.value).all()
    assert (result.t % 1000 == 0).all()
    assert (np.abs(result.t - now) <= Tolerance().age).all()
    assert CATALOG.active[result.series].all()
    counted = Counter(CATALOG.gateway[result.series].tolist())
    counted.update(reject.gateway for reject in result.rejects)
    assert counted == Counter(result.received)
    for reject in result.rejects:
        assert "bug of ours" not in reject.detail
        assert len(reject.detail) < 400
        reject.detail.encode()  # what cannot be encoded cannot be stored
        assert "\0" not in reject.detail


@settings(max_examples=500, deadline=None)
@given(bodies)
def test_the_quick_way_and_the_slow_way_agree(body):
    """What the typed decoder takes, the other takes as well, and as the same."""
    message = Message(TOPIC, json.dumps(body).encode(), NOW)
    assert _columns(message, quick=True) == _columns(message, quick=False)


def _columns(message, *, quick):
    columns = Columns([message])
    columns.open()
    form = NativeFormat()
    if quick:
        form.decode(message, CATALOG, columns)
    else:
        probe = Columns([message])
        probe.open()
        form.decode(message, CATALOG, probe)  # learns who sends on the topic
        _take_slowly(message, form._senders[message.topic], columns)
    rows = columns.close(CATALOG, NOW, Tolerance())
    named = [(reject.reason, reject.gateway) for reject in rows.rejects]
    return [column.tolist() for column in (rows.series, rows.t, rows.value, rows.quality)], sorted(named)


def _by_hand(number):
    """ns of a whole number, by magnitude, with Python's integers."""
    for below, factor in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3)):
        if number < below:
            return min(number, (2**63 - 1) // factor) * factor
    return number // 1000 * 1000


@given(st.lists(st.integers(0, LARGEST) | st.integers(0, 10**12)))
def test_instants_equal_integer_arithmetic(numbers):
    assert nanoseconds(np.array(numbers, np.int64)).tolist() == [_by_hand(number) for number in numbers]


@given(st.integers(10**8, 4 * 10**9 - 1), st.integers(0, 999_999))
def test_seconds_with_a_fraction_mean_their_decimal_text(whole, micro):
    number = float(f"{whole}.{micro:06d}")
    [t] = nanoseconds(np.array([from_float(number)])) if not number.is_integer() else [whole * 10**9]
    assert t == whole * 10**9 + micro * 1000


@given(st.floats(0, LARGEST, allow_subnormal=False))
def test_a_time_with_a_fraction_never_overflows(number):
    assert 0 <= from_float(number) <= LARGEST


# ── order ────────────────────────────────────────────────────────────────────
GATEWAY = np.arange(8, dtype=np.int32) // 3
times = st.integers(-5, 10).map(lambda step: NOW + step * 1000)
samples = st.lists(
    st.tuples(st.integers(1, 7), times, st.integers(0, 9), st.sampled_from([0, 1, 2])), max_size=30
)


def as_rows(samples):
    columns = list(zip(*samples, strict=True)) or [()] * 4
    return Rows(
        np.array(columns[0], np.int32), np.array(columns[1], np.int64),
        np.array(columns[2], np.float64), np.array(columns[3], np.uint8), (), {},
    )  # fmt: skip


def as_samples(batch):
    return list(
        zip(*(column.tolist() for column in (batch.series, batch.t, batch.value, batch.quality)), strict=True)
    )


@settings(max_examples=500)
@given(st.lists(samples, max_size=5))
def test_order_equals_its_naive_twin(batches):
    order, naive = Order(historical_after=2000), NaiveOrder(historical_after=2000)
    for batch in batches:
        ordered = order.step(as_rows(batch), GATEWAY, NOW)
        expected, duplicates = naive.step(batch, GATEWAY.tolist(), NOW)
        assert as_samples(ordered.batch) == expected
        assert ordered.duplicates == duplicates


@given(samples, samples)
def test_two_batches_leave_the_marks_of_one(first, second):
    apart, joined = Order(), Order()
    apart.step(as_rows(first), GATEWAY, NOW)
    apart.step(as_rows(second), GATEWAY, NOW)
    joined.step(as_rows(first + second), GATEWAY, NOW)
    assert marks(apart) == marks(joined)


def marks(order):
    array = order.snapshot()["marks"]
    return {int(series): int(array[series]) for series in np.flatnonzero(array > np.iinfo(np.int64).min)}


@given(samples, samples)
def test_a_restored_order_goes_on_as_the_old_one(first, second):
    order, other = Order(), Order()
    order.step(as_rows(first), GATEWAY, NOW)
    other.restore(order.snapshot())
    assert as_samples(other.step(as_rows(second), GATEWAY, NOW).batch) == as_samples(
        order.step(as_rows(second), GATEWAY, NOW).batch
    )


@given(samples)
def test_observing_the_log_gives_the_marks_and_again_changes_nothing(batch):
    order, replayed = Order(), Order()
    ordered = order.step(as_rows(batch), GATEWAY, NOW).batch
    for _ in range(2):
        replayed.observe(ordered)
        assert marks(replayed) == marks(order)


def test_a_snapshot_is_not_changed_by_what_follows():
    order = Order()
    order.step(as_rows([(1, NOW, 0, 2)]), GATEWAY, NOW)
    snapshot = order.snapshot()
    order.step(as_rows([(1, NOW + 1000, 0, 2), (7, NOW, 0, 2)]), GATEWAY, NOW)
    assert snapshot["marks"][1] == NOW


def test_input_columns_stay_as_they_are():
    rows = as_rows([(2, NOW, 1, 2), (1, NOW, 1, 2), (1, NOW - 10**13, 1, 2)])
    Order().step(rows, GATEWAY, NOW)
    assert rows.series.tolist() == [2, 1, 1]
    assert rows.quality.tolist() == [Quality.GOOD] * 3


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=50))
def test_ordering_is_the_stable_sort_by_series_and_time(keys):
    series, t = (
        np.array([key[column] for key in keys], dtype) for column, dtype in ((0, np.int32), (1, np.int64))
    )
    assert ordering(series, t).tolist() == sorted(range(len(keys)), key=lambda row: keys[row])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(TOPICS), payloads), max_size=6), max_size=3))
def test_the_ledger_of_a_delivery_closes(batches):
    """Per gateway received = rows in the batch (stored, or found as duplicates there) + repeats + rejects."""
    decoder, order = Decoder(FILTERS, CATALOG), Order()
    for batch in batches:
        rows = decoder.decode([Message(topic, payload, NOW) for topic, payload in batch], NOW)
        ordered = order.step(rows, CATALOG.gateway, NOW)
        settled = Counter(CATALOG.gateway[ordered.batch.series].tolist())
        settled.update(ordered.duplicates)
        settled.update(reject.gateway for reject in rows.rejects)
        assert settled == Counter(rows.received)


def test_a_bug_in_a_decoder_is_a_reject_and_not_the_end():
    """Totality does not rest on our having thought of everything."""

    class Broken:
        def decode(self, message, catalog, columns):
            columns.add(1, NOW_MS, 1.0)
            raise ZeroDivisionError

    decoder = Decoder(FILTERS, CATALOG)
    decoder._formats[TOPIC] = Broken()
    result = decoder.decode([Message(TOPIC, b"{}", NOW)], NOW)
    assert (len(result), [reject.reason for reject in result.rejects]) == (0, [Reason.BAD_SHAPE])
