"""Sparkplug B: births, data, deaths, numbers, rebirth; payloads built here field by field."""

import struct

import pytest

from core.time import SECOND
from ingest.formats.sparkplug import ASK_EVERY, MOST_ASKED_PER_S
from ingest.formats.sparkplug_wire import DataType, quick, read
from tests.fakes import gateways
from tests.fakes.foreign import NOW, Wire

FEED = ("spBv1.0/#", "sparkplug")
T = NOW // 10**6
# The vectors of docs/wire.md, decoded with protoc outside of this code.
DBIRTH = bytes.fromhex(
    "08808df8dc9f3412190a07447573742f4450100718808df8dc9f3420096500204b44121a0a0b46616e2f52756e6e696e67"
    "100818808df8dc9f34200b70011801"
)
DDATA = bytes.fromhex("0890dbf8dc9f34120e10071890dbf8dc9f346500c080441802")


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def num(field, number):
    return varint(field << 3) + varint(number)


def raw(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def metric(name="", alias=None, value=b"", kind=0, t=T, **more):
    parts = [raw(1, name.encode())] if name else []
    parts += [num(2, alias)] if alias is not None else []
    parts += [num(3, t)] if t else []
    parts += [num(4, kind)] if kind else []
    parts += [num(5, 1)] if more.get("historical") else []
    parts += [num(7, 1)] if more.get("null") else []
    parts += [raw(9, more["properties"])] if "properties" in more else []
    return b"".join(parts) + value


def f32(value):
    return varint(12 << 3 | 5) + struct.pack("<f", value)


def f64(value):
    return varint(13 << 3 | 1) + struct.pack("<d", value)


def message(seq, *metrics, t=T):
    body = b"".join(raw(2, one) for one in metrics)
    return (num(1, t) if t else b"") + body + (num(3, seq) if seq is not None else b"")


def bd_seq(number):
    return metric("bdSeq", value=num(11, number), kind=DataType.INT64)


def nbirth(seq=0, bd=5, *metrics):
    return message(seq, bd_seq(bd), metric("Node Control/Rebirth", value=num(14, 0), kind=11), *metrics)


def death(bd=5):
    return message(None, bd_seq(bd))


def born(*metrics, bd=5):
    """A node with one device whose metrics are announced."""
    wire = Wire(*FEED)
    wire.send("spBv1.0/g/NBIRTH/e", nbirth(0, bd))
    return wire.send("spBv1.0/g/DBIRTH/e/d", message(1, *metrics))


PRESSURE = metric("Dust/DP", 7, f32(812.5), DataType.FLOAT)
FAN = metric("Fan/Running", 8, num(14, 1), DataType.BOOLEAN)


def ddata(seq, *metrics, t=T):
    return message(seq, *metrics, t=t)


def test_the_vectors_of_a_birth_and_its_data():
    wire = Wire(*FEED)
    wire.send("spBv1.0/g/NBIRTH/e", nbirth())
    wire.send("spBv1.0/g/DBIRTH/e/dust", DBIRTH)
    assert wire.readings == [("dust", "Dust/DP", 812.5), ("dust", "Fan/Running", 1.0)]
    assert wire.times == [0, 0]
    wire.send("spBv1.0/g/DDATA/e/dust", DDATA)
    assert (wire.readings, wire.times, wire.reasons) == ([("dust", "Dust/DP", 1030.0)], [10 * SECOND], [])
    assert wire.answers == []


def test_our_encoder_makes_the_vectors_bytes():
    """So that the other tests here may rely on it."""
    assert message(1, PRESSURE, FAN) == DBIRTH


@pytest.mark.parametrize(
    ("kind", "field", "sent", "value"),
    [
        (DataType.INT8, 10, 0xFFFFFFFB, -5), (DataType.INT16, 10, 0xFFFF8001, -32767), (DataType.INT8, 10, 0xFB, -5),
        (DataType.INT32, 10, 0xFFFFFFFF, -1), (DataType.INT64, 11, -7, -7), (DataType.UINT8, 10, 255, 255),
        (DataType.UINT16, 10, 65535, 65535), (DataType.UINT32, 10, 0xFFFFFFFF, 4294967295),
        (DataType.UINT32, 11, 0xFFFFFFFF, 4294967295), (DataType.UINT64, 11, 1 << 40, 1 << 40),
        (DataType.BOOLEAN, 14, 1, 1), (DataType.DATETIME, 11, T, T),
    ],
)  # fmt: skip
def test_integers_of_every_type(kind, field, sent, value):
    wire = born(metric("x", 1, num(field, sent), kind))
    assert wire.values == {"x": value}
    for seq in (2, 3, 4):  # by name, as a usual message, by its layout
        wire.send("spBv1.0/g/DDATA/e/d", ddata(seq, metric("", 1, num(field, sent))))
        assert wire.values == {"x": value}
        assert wire.reasons == []


def test_floats_and_doubles():
    wire = born(metric("x", 1, f64(0.1), DataType.DOUBLE), metric("y", 2, f32(0.5), DataType.FLOAT))
    assert wire.values == {"x": 0.1, "y": 0.5}


@pytest.mark.parametrize("value", [f64(float("nan")), f32(float("inf"))])
def test_no_number_is_a_reject_however_it_comes(value):
    wire = born(metric("x", 1, f64(0.1), DataType.DOUBLE))
    for seq in (2, 3):
        assert wire.send("spBv1.0/g/DDATA/e/d", ddata(seq, metric("", 1, value))).reasons == ["not_a_number"]


def test_a_null_is_no_reading_and_no_reject():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, null=True)))
    assert (wire.readings, wire.reasons) == ([], [])


@pytest.mark.parametrize(("field", "what"), [(16, "bytes"), (17, "DataSet"), (18, "Template")])
def test_what_is_no_number_says_what_it_is(field, what):
    wire = born(metric("x", 1, raw(field, b"\x08\x01"), DataType.DATASET))
    assert wire.reasons == ["bad_shape"]
    assert what in wire.details


def test_a_text_is_a_reading_only_where_a_table_gives_it_a_number(tmp_path):
    table = tmp_path / "names.toml"
    table.write_text('[names]\n"Mode" = { signal = "mode", words = { Run = 1, Stop = 0 } }')
    wire = Wire(*FEED, "", str(table))
    wire.send("spBv1.0/g/NBIRTH/e", nbirth(0, 5, metric("Mode", 3, raw(15, b"Run"), DataType.STRING)))
    assert wire.values == {"mode": 1}


def test_a_historical_metric_is_marked():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1), historical=True), metric("", 7, f32(2))))
    assert wire.historical == [True, False]


@pytest.mark.parametrize(("code", "quality"), [(192, "good"), (0, "bad"), (500, "bad"), (64, "uncertain")])
def test_the_quality_property(code, quality):
    properties = raw(1, b"Quality") + raw(2, num(1, 3) + num(3, code))
    assert born(metric("x", 1, f32(1), DataType.FLOAT, properties=properties)).quality == {quality}


def test_a_metric_without_a_time_has_that_of_its_message():
    wire = born(PRESSURE)
    assert wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1), t=0), t=T + 5)).times == [
        5 * 10**6
    ]
    assert wire.send("spBv1.0/g/DDATA/e/d", ddata(3, metric("", 7, f32(1), t=0), t=0)).times == [0]


# ── layouts ───────────────────────────────────────────────────────────────────
def test_a_learned_layout_reads_what_the_first_message_read():
    fields = [metric("a", 1, f32(0), 9), metric("b", 2, f64(0), 10), metric("c", 3, num(14, 0), 11)]
    wire = born(*fields, metric("d", 300, num(10, 0), DataType.INT16))
    for seq in range(2, 8):
        sent = [metric("", 1, f32(seq)), metric("", 2, f64(-seq), t=T + seq), metric("", 3, num(14, seq % 2)),
                metric("", 300, num(10, 100 + seq))]  # fmt: skip
        wire.send("spBv1.0/g/DDATA/e/d", ddata(seq, *sent))
        assert wire.values == {"a": seq, "b": -seq, "c": seq % 2, "d": 100 + seq}
        assert wire.times == [0, seq * 10**6, 0, 0]
        assert (wire.reasons, wire.answers) == ([], [])
    (table,) = [one for one in wire.format.nodes["g", "e"].tables.values() if one.by_alias]
    assert sum(map(len, table.layouts.values())) == 1


def test_a_birth_with_other_aliases_forgets_the_layouts():
    wire = born(metric("a", 1, f32(0), 9), metric("b", 2, f32(0), 9))
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 1, f32(1))))
    wire.send("spBv1.0/g/DBIRTH/e/d", message(3, metric("a", 2, f32(0), 9), metric("b", 1, f32(0), 9)))
    assert wire.send("spBv1.0/g/DDATA/e/d", ddata(4, metric("", 1, f32(1)))).values == {"b": 1}


def test_quick_refuses_what_it_cannot_read_in_full():
    good = ddata(2, metric("", 7, f32(1)), metric("", 8, num(14, 1)))
    assert quick(good) is not None
    for broken in (
        good[:-1],
        good + b"\x00",
        good[:9] + b"\x0f" + good[10:],
        b"",
        good.replace(b"\x65", b"\x66"),
    ):
        assert quick(broken) is None


# ── numbers and rebirth ───────────────────────────────────────────────────────
def rebirths(wire):
    found = []
    for topic, payload in wire.answers:
        one = read(payload).metrics[0]
        assert (one.name, one.value, one.datatype) == ("Node Control/Rebirth", True, DataType.BOOLEAN)
        found.append(topic)
    return found


def test_data_before_a_birth_is_incomplete_and_asks_for_one():
    wire = Wire(*FEED)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1))))
    assert (wire.readings, wire.reasons) == ([], ["incomplete"])
    assert rebirths(wire) == ["spBv1.0/g/NCMD/e"]


def test_data_with_names_needs_no_birth_but_asks_for_one():
    wire = Wire(*FEED)
    wire.send("spBv1.0/g/NDATA/e", message(2, metric("x", value=f32(1))))
    assert (wire.values, rebirths(wire)) == ({"x": 1}, ["spBv1.0/g/NCMD/e"])


def test_an_alias_that_was_never_announced_asks():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 9, f32(1)), metric("", 7, f32(2))))
    assert (wire.values, wire.reasons) == ({"Dust/DP": 2}, ["incomplete"])
    assert rebirths(wire) == ["spBv1.0/g/NCMD/e"]


def test_a_missing_number_asks_and_the_data_is_taken():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1))))
    assert wire.answers == []
    wire.send("spBv1.0/g/DDATA/e/d", ddata(4, metric("", 7, f32(2))))
    assert (wire.values, rebirths(wire)) == ({"Dust/DP": 2}, ["spBv1.0/g/NCMD/e"])
    assert sum(wire.decoder.gaps.values()) == 1


def test_numbers_wrap_at_255_and_are_shared_by_node_and_devices():
    wire = born(PRESSURE)
    for seq in range(2, 520):
        topic, sent = (
            ("DDATA/e/d", metric("", 7, f32(1))) if seq % 2 else ("NDATA/e", metric("n", value=f32(1)))
        )
        wire.send(f"spBv1.0/g/{topic}", ddata(seq % 256, sent))
        assert wire.answers == []


def test_what_the_broker_sends_again_is_no_missing_number():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1))))
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1))), dup=True)
    assert (wire.values, wire.answers) == ({"Dust/DP": 1}, [])
    wire.send("spBv1.0/g/DDATA/e/d", ddata(3, metric("", 7, f32(1))))
    assert wire.answers == []


def test_a_node_is_not_asked_again_at_once():
    wire = Wire(*FEED)
    asked = [rebirths(wire.send("spBv1.0/g/NDATA/e", ddata(2, metric("", 7, f32(1))), at=NOW + n * SECOND))
             for n in range(ASK_EVERY // SECOND + 1)]  # fmt: skip
    assert [bool(one) for one in asked] == [True] + [False] * (len(asked) - 2) + [True]


def test_many_nodes_are_not_all_asked_in_one_second():
    wire = Wire(*FEED)
    asked = sum(
        len(rebirths(wire.send(f"spBv1.0/g/NDATA/e{n}", ddata(2, metric("", 7, f32(1)))))) for n in range(100)
    )
    assert asked == MOST_ASKED_PER_S


# ── deaths ────────────────────────────────────────────────────────────────────
def test_the_death_of_a_node_makes_its_last_readings_stale():
    wire = born(PRESSURE, FAN)
    wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(900))))
    wire.send("spBv1.0/g/NDEATH/e", death(), at=NOW + SECOND)
    assert wire.readings == [("d", "Dust/DP", 900.0), ("d", "Fan/Running", 1.0)]
    assert (wire.quality, wire.times) == ({"bad"}, [SECOND, SECOND])
    wire.send("spBv1.0/g/DDATA/e/d", ddata(3, metric("", 7, f32(1))))
    assert wire.reasons == ["incomplete"]


def test_the_will_of_an_older_session_changes_nothing():
    wire = born(PRESSURE, bd=6)
    assert wire.send("spBv1.0/g/NDEATH/e", death(5)).readings == []
    assert wire.send("spBv1.0/g/DDATA/e/d", ddata(2, metric("", 7, f32(1)))).values == {"Dust/DP": 1}


def test_the_death_of_a_device_leaves_its_node_alone():
    wire = born(PRESSURE)
    wire.send("spBv1.0/g/NDATA/e", ddata(2, metric("n", value=f32(3))))
    wire.send("spBv1.0/g/DDEATH/e/d", message(3))
    assert (wire.readings, wire.quality) == ([("d", "Dust/DP", 812.5)], {"bad"})
    assert wire.send("spBv1.0/g/NDATA/e", ddata(4, metric("n", value=f32(3)))).answers == []


@pytest.mark.parametrize("topic", ["spBv1.0/STATE/us", "spBv1.0/g/NCMD/e", "spBv1.0/g/DCMD/e/d"])
def test_commands_and_states_hold_no_readings(topic):
    wire = Wire(*FEED).send(topic, b"anything")
    assert (wire.readings, wire.reasons, wire.decoder.statuses) == ([], [], 1)


# ── whose it is ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("spBv1.0/g/DBIRTH/gw9/d", "unknown_gateway"),
        ("spBv1.0/g/DBIRTH/gw1/nobody", "unknown_device"),
        ("spBv1.0/g/DBIRTH/gw1/meter1", "wrong_owner"),
        ("spBv1.0/g/NBIRTH/gw1/dust1", "unknown_topic"),
        ("spBv1.0/g/DFOO/gw1/dust1", "unknown_topic"),
        ("spBv1.0/g", "unknown_topic"),
    ],
)
def test_what_is_not_the_registrys_is_refused(topic, reason):
    wire = Wire(*FEED, catalog=gateways.catalog()).send(
        topic, message(0, metric("pressure_drop", 1, f32(1), 9))
    )
    assert (wire.rows.series.tolist(), wire.reasons) == ([], [reason])


def test_a_registry_that_changes_takes_over_what_was_announced():
    wire = Wire(*FEED, catalog=gateways.catalog())
    wire.send("spBv1.0/g/NBIRTH/gw1", nbirth())
    wire.send("spBv1.0/g/DBIRTH/gw1/dust1", message(1, metric("pressure_drop", 1, f32(1), 9)))
    wire.send("spBv1.0/g/DDATA/gw1/dust1", ddata(2, metric("", 1, f32(5))))
    wire.decoder.catalog = gateways.catalog(version="2")
    wire.send("spBv1.0/g/DDATA/gw1/dust1", ddata(3, metric("", 1, f32(6))))
    assert (wire.rows.series.tolist(), wire.rows.value.tolist(), wire.answers) == ([2], [6.0], [])


@pytest.mark.parametrize(
    "payload", [b"\x12\xff\xff\xff\xff\x0f", b"\x0a", b"\xff" * 20, b"\x12\x03\x0a\x01\xff", b"\x08"]
)
def test_what_is_no_protobuf_is_one_reject(payload):
    wire = Wire(*FEED).send("spBv1.0/g/NBIRTH/e", payload)
    assert len(wire.reasons) == 1
    assert wire.reasons[0] in ("bad_shape", "not_utf8")


def test_a_time_that_no_clock_has_is_a_reject():
    wire = Wire(*FEED).send("spBv1.0/g/NBIRTH/e", nbirth(0, 5, metric("x", 1, f32(1), 9, t=(1 << 64) - 1)))
    assert wire.reasons == ["bad_time"]
