"""docs/wire.md §2 and §10, sentence by sentence; expectations are written by hand."""

import json

import numpy as np
import pytest

from core.batch import Quality
from core.reject import Reason
from ingest.columns import KEPT_BYTES, Message
from ingest.decode import Decoder
from tests.fakes.gateways import NOW, NOW_MS, TOPIC, catalog, columnar, one, rows

FILTERS = (("fs/v1/+/+", "native"), ("v1/gateway/telemetry", "thingsboard"))
DAY_MS = 86_400_000


def read(*payloads, topic=TOPIC, decoder=None, **more):
    """Return (taken, rejected): (series, ns after NOW, value) and (gateway, reason)."""
    result = decode(*payloads, topic=topic, decoder=decoder, **more)
    taken = list(zip(result.series.tolist(), (result.t - NOW).tolist(), result.value.tolist(), strict=True))
    return taken, [(reject.gateway, reject.reason) for reject in result.rejects]


def decode(*payloads, topic=TOPIC, decoder=None, **more):
    decoder = decoder or Decoder(FILTERS, catalog())
    return decoder.decode([Message(topic, payload, NOW, **more) for payload in payloads], NOW)


def test_one_reading():
    assert read(one(v=41.5)) == ([(1, 0, 41.5)], [])


def test_rows_of_any_signals_in_any_order():
    payload = rows(("pressure_drop", NOW_MS, 812.5), ("hopper_temperature", NOW_MS - 1, 41))
    assert read(payload) == ([(2, 0, 812.5), (1, -1_000_000, 41.0)], [])


def test_a_bare_array_is_rows():
    payload = json.dumps([{"m": "fan_running", "v": True, "ts": NOW_MS}]).encode()
    assert read(payload) == ([(3, 0, 1.0)], [])


def test_columnar_with_holes():
    payload = columnar([0, 1000, -1000], hopper_temperature=[1, None, 2.5], fan_running=[None, False, None])
    assert read(payload) == ([(1, 0, 1.0), (1, -1_000_000_000, 2.5), (3, 1_000_000_000, 0.0)], [])


def test_a_hole_is_not_counted():
    assert decode(columnar([0, 1], hopper_temperature=[None, 1])).received == {1: 1}


@pytest.mark.parametrize(
    "payload", [b"[]", b'{"readings": []}', columnar([]), columnar([], pressure_drop=[])]
)
def test_a_message_without_readings_is_no_error(payload):
    assert read(payload) == ([], [])


def test_unknown_keys_are_ignored():
    assert read(one(battery=3.3, unit={"of": ["anything"]})) == ([(1, 0, 41.5)], [])


@pytest.mark.parametrize(
    ("ts", "ns"),
    [
        (1_795_222_800, 0),
        (1_795_222_800.25, 250_000_000),
        (1_795_222_800.123, 123_000_000),
        (1_795_222_800_000, 0),
        (1_795_222_800_000.5, 500_000),
        (1_795_222_800_000_001, 1_000),
        (1_795_222_800_000_001_999, 1_000),
        (1_795_222_800_000.0, 0),
        (None, 0),
    ],
)
def test_the_unit_of_time_is_told_by_magnitude_and_cut_to_microseconds(ts, ns):
    assert read(one(ts=ts)) == ([(1, ns, 41.5)], [])


def test_without_time_it_is_the_arrival():
    assert read(b'{"m": "hopper_temperature", "v": 41.5}') == ([(1, 0, 41.5)], [])


def test_a_retained_reading_must_carry_its_time():
    assert read(b'{"m": "hopper_temperature", "v": 41.5}', retained=True) == ([], [(1, Reason.TOO_OLD)])
    assert read(one(), retained=True) == ([(1, 0, 41.5)], [])


def test_offsets_are_in_the_unit_of_t0():
    payload = columnar([0, 1, 1.5], t0=1_795_222_800, pressure_drop=[1, 2, 3])
    assert read(payload) == ([(2, 0, 1.0), (2, 10**9, 2.0), (2, 1_500_000_000, 3.0)], [])


@pytest.mark.parametrize(
    ("q", "quality"),
    [("good", Quality.GOOD), ("uncertain", Quality.UNCERTAIN), ("bad", Quality.BAD), (None, Quality.GOOD)],
)
def test_quality_travels_with_the_reading(q, quality):
    column = json.dumps({"t0": NOW_MS, "dt": [0, 1], "q": q, "series": {"pressure_drop": [1, 2]}}).encode()
    assert decode(one(), one(q=q), one(), column).quality.tolist() == [2, quality, 2, quality, quality]


REJECTED = {
    "empty": (b"", Reason.BAD_JSON),
    "cut off": (b'{"m": "hopper_temperature", "v": 4', Reason.BAD_JSON),
    "something behind": (one() + b"x", Reason.BAD_JSON),
    "nested deeply": (b"[" * 100_000, Reason.BAD_JSON),
    "huge integer": (b'{"m": "hopper_temperature", "v": ' + b"9" * 5000 + b"}", Reason.BAD_JSON),
    "not utf-8": (b'{"m": "\xff", "v": 1}', Reason.NOT_UTF8),
    "a number": (b"42", Reason.BAD_SHAPE),
    "null": (b"null", Reason.BAD_SHAPE),
    "no m": (b'{"v": 1}', Reason.BAD_SHAPE),
    "no v": (b'{"m": "hopper_temperature"}', Reason.BAD_SHAPE),
    "m is a number": (b'{"m": 7, "v": 1}', Reason.BAD_SHAPE),
    "unknown q": (one(q="fine"), Reason.BAD_SHAPE),
    "readings is an object": (b'{"readings": {"m": "x"}}', Reason.BAD_SHAPE),
    "series is a number": (b'{"t0": 1, "dt": [], "series": 3}', Reason.BAD_SHAPE),
    "no t0": (b'{"dt": [0], "series": {"pressure_drop": [1]}}', Reason.BAD_SHAPE),
    "too short a column": (columnar([0, 1], pressure_drop=[1]), Reason.BAD_SHAPE),
    "a column that is none": (columnar([0, 1], pressure_drop=7), Reason.BAD_SHAPE),
    "unknown signal": (one("humidity"), Reason.UNKNOWN_SERIES),
    "unknown column": (columnar([0, 1], humidity=[1, 2]), Reason.UNKNOWN_SERIES),
    "a lone surrogate": (b'{"m": "\\ud800", "v": 1}', Reason.UNKNOWN_SERIES),
    "text": (one(v="41.5"), Reason.NOT_A_NUMBER),
    "null as value": (one(v=None), Reason.NOT_A_NUMBER),
    "object": (one(v={"a": 1}), Reason.NOT_A_NUMBER),
    "NaN": (one("pressure_drop", float("nan")), Reason.NOT_A_NUMBER),
    "infinite": (one("pressure_drop", float("-inf")), Reason.NOT_A_NUMBER),
    "beyond a float": (b'{"m": "pressure_drop", "v": 1e400}', Reason.NOT_A_NUMBER),
    "above 1e300": (one("pressure_drop", 1.1e300), Reason.NOT_A_NUMBER),
    "integer above 1e300": (one("pressure_drop", 10**400), Reason.NOT_A_NUMBER),
    "too hot": (one(v=400.1), Reason.OUT_OF_RANGE),
    "too cold": (one(v=-40.1), Reason.OUT_OF_RANGE),
    "time is text": (one(ts="2026-11-21"), Reason.BAD_TIME),
    "time is a boolean": (one(ts=True), Reason.BAD_TIME),
    "time is negative": (one(ts=-1), Reason.BAD_TIME),
    "time is infinite": (b'{"m": "pressure_drop", "v": 1, "ts": 1e999}', Reason.BAD_TIME),
    "time is huge": (one(ts=10**25), Reason.BAD_TIME),
    "offset is text": (columnar(["0"], pressure_drop=[1]), Reason.BAD_TIME),
    "offset to before 1970": (columnar([-2 * NOW_MS], pressure_drop=[1]), Reason.BAD_TIME),
    "future": (one(ts=NOW_MS + 300_001), Reason.FUTURE_TIME),
    "far future in s": (one(ts=99_999_999_999), Reason.FUTURE_TIME),
    "far future in ms": (one(ts=99_999_999_999_999), Reason.FUTURE_TIME),
    "1970": (one(ts=0), Reason.TOO_OLD),
    "uptime": (one(ts=50_000.5), Reason.TOO_OLD),
    "91 days old": (one(ts=NOW_MS - 91 * DAY_MS), Reason.TOO_OLD),
    "too large": (b" " * 262_145, Reason.TOO_LARGE),
}


@pytest.mark.parametrize(("payload", "reason"), REJECTED.values(), ids=REJECTED)
def test_a_bad_message_is_one_reject_and_its_neighbours_are_taken(payload, reason):
    good = ([(1, 0, 41.5)], [])
    assert read(payload) == ([], [(1, reason)])
    assert read(one(), payload, one()) == (good[0] * 2, [(1, reason)])


def test_limits_themselves_are_inside():
    payload = rows(
        ("hopper_temperature", NOW_MS + 300_000, 400), ("hopper_temperature", NOW_MS - 90 * DAY_MS, -40)
    )
    assert len(read(payload)[0]) == 2


@pytest.mark.parametrize(
    ("topic", "gateway", "reason"),
    [
        ("fs/v1/gw3/dust1", 0, Reason.UNKNOWN_GATEWAY),
        ("fs/v1/gw1/dust9", 1, Reason.UNKNOWN_DEVICE),
        ("fs/v1/gw1/meter1", 1, Reason.WRONG_OWNER),
        ("fs/v1/gw1/$other", 1, Reason.UNKNOWN_DEVICE),
        ("fs/v1/gw1/dust1/x", 0, Reason.UNKNOWN_TOPIC),
        ("elsewhere", 0, Reason.UNKNOWN_TOPIC),
        ("\ufffd", 0, Reason.NOT_UTF8),
    ],
)
def test_a_message_from_nobody_is_not_taken_apart(topic, gateway, reason):
    assert read(rows(*[("pressure_drop", NOW_MS, 1)] * 3), topic=topic) == ([], [(gateway, reason)])


def test_good_rows_of_a_message_with_bad_ones_are_taken():
    payload = json.dumps([
        {"m": "pressure_drop", "v": 1, "ts": NOW_MS}, 7, {"m": "nobody", "v": 1},
        {"m": "pressure_drop", "v": "2", "ts": NOW_MS}, {"m": "pressure_drop", "v": 3, "ts": NOW_MS + 1},
        {"m": "hopper_temperature", "v": 500, "ts": NOW_MS},
    ]).encode()  # fmt: skip
    taken, rejected = read(payload)
    assert taken == [(2, 0, 1.0), (2, 1_000_000, 3.0)]
    assert [reason for _gateway, reason in rejected] == [
        Reason.BAD_SHAPE, Reason.UNKNOWN_SERIES, Reason.NOT_A_NUMBER, Reason.OUT_OF_RANGE,
    ]  # fmt: skip


def test_good_columns_and_cells_beside_bad_ones_are_taken():
    payload = columnar([0, "x", 2], pressure_drop=[1, 2, 3], nobody=[1, 2, 3], fan_running=[True, None, "no"])
    taken, rejected = read(payload)
    assert taken == [(2, 0, 1.0), (2, 2_000_000, 3.0), (3, 0, 1.0)]
    assert [reason for _gateway, reason in rejected] == [
        Reason.BAD_TIME, Reason.UNKNOWN_SERIES, Reason.NOT_A_NUMBER,
    ]  # fmt: skip


def test_a_reject_tells_what_an_engineer_needs():
    [reject] = decode(one(v=512.5)).rejects
    assert (reject.topic, reject.payload, reject.arrived) == (TOPIC, one(v=512.5), NOW)
    assert reject.detail == "hopper_temperature = 512.5 at 2026-11-21T01:00:00.000Z; possible: -40 to 400"


def test_raw_bytes_are_kept_once_per_message_and_cut():
    payload = rows(*[("nobody", NOW_MS, 1)] * 2, ("hopper_temperature", NOW_MS, 999)) + b" " * 100_000
    rejects = decode(payload).rejects
    assert [len(reject.payload) for reject in rejects] == [KEPT_BYTES, 0, 0]


def test_after_a_thousand_faults_the_rest_is_one_reject():
    payload = rows(("fan_running", NOW_MS, 1), *[("nobody", NOW_MS, 1)] * 3000, ("fan_running", NOW_MS, 2))
    taken, rejected = read(payload, one())
    assert taken == [(3, 0, 1.0), (1, 0, 41.5)]
    assert rejected == [(1, Reason.UNKNOWN_SERIES)] * 1000 + [(1, Reason.BAD_SHAPE)]


def test_a_retired_series_is_unknown():
    decoder = Decoder(FILTERS, catalog(retired=(2,)))
    assert read(one("pressure_drop"), one(), decoder=decoder) == (
        [(1, 0, 41.5)],
        [(1, Reason.UNKNOWN_SERIES)],
    )


def test_a_new_catalog_is_followed_at_once():
    decoder = Decoder(FILTERS, catalog())
    assert read(one(), decoder=decoder)[0]
    fresh = catalog(version="2")
    del fresh.devices["gw1", "dust1"]
    decoder.catalog = fresh
    assert read(one(), decoder=decoder) == ([], [(1, Reason.UNKNOWN_DEVICE)])
    decoder.catalog = catalog(version="3")
    assert read(one(), decoder=decoder)[0]


def test_status_holds_no_readings_and_is_counted_apart():
    decoder = Decoder(FILTERS, catalog())
    topic = "fs/v1/gw1/$status"
    assert read(b'{"online": true}', b'{"online": false, "ts": 1}', topic=topic, decoder=decoder) == ([], [])
    assert decoder.statuses == 2
    assert read(b'{"online": 1}', topic=topic, decoder=decoder) == ([], [(1, Reason.BAD_SHAPE)])


def test_received_counts_rows_and_rejects():
    result = decode(one(), one(v="x"), b"{", columnar([0, 1], pressure_drop=[1, 2]))
    assert result.received == {1: 5}
    assert decode(one(), topic="fs/v1/nobody/x").received == {0: 1}


def test_columns_have_the_types_of_a_batch():
    result = decode(one())
    assert [column.dtype for column in (result.series, result.t, result.value, result.quality)] == [
        np.int32, np.int64, np.float64, np.uint8,
    ]  # fmt: skip
