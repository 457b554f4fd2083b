"""HJ 212: vectors with length and CRC worked out outside of this code, marks, periods, packets, answers, SM4."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from core.errors import ConfigError
from core.reject import Reason
from core.time import SECOND
from ingest.formats.hj212 import PATIENCE
from ingest.formats.hj212_frame import crc, crc_modbus
from tests.fakes import gateways
from tests.fakes.foreign import NOW, Wire

UP = "hj212/gw/up"
FEED = ("hj212/{gateway}/up", "hj212")
MN = "010000A8900016F000169DC0"
# The standard's annex example, two in the style of real senders, two in that of the editions 2017 and 2025, an answer.
VECTORS = (
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80",
    "##0139ST=32;CN=2011;PW=123456;MN=LD130133000015;CP=&&DataTime=20160824003817000;B01-Rtd=36.91;"
    "011-Rtd=231.0,011-Flag=N;060-Rtd=1.803,060-Flag=N&&4980",
    "##0109ST=32;CN=2011;PW=123456;MN=NJGDKYYC202101q0001w0001;CP=&&DataTime=20210305003817000;ele01-Rtd=1;"
    "ele02-Rtd=0&&8c41",
    "##0140QN=20261121090000123;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&DataTime=20261121090000;a34013-Rtd=12.6,a34013-Flag=N&&5880",
    "##0204QN=20261121090000456;ST=44;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;"
    "CP=&&DataTime=20261121090000;d20105-Rtd=220.20,d20105-Flag=N;d30106-Rtd=220.20,d30106-Flag=N;"
    "d30406-Rtd=0.04,d30406-Flag=N&&74C0",
    "##0087QN=20261121090000123;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&1F40",
)
READ = (
    {},
    {"B01": 36.91, "011": 231.0, "060": 1.803},
    {"ele01": 1, "ele02": 0},
    {"dust_concentration": 12.6},
    {"d20105": 220.2, "d30106": 220.2, "d30406": 0.04},
    {},
)


def naive_crc(data):
    """The loop of the standard."""
    r = 0xFFFF
    for byte in data:
        r = (r >> 8) ^ byte
        for _ in range(8):
            lsb = r & 1
            r >>= 1
            if lsb:
                r ^= 0xA001
    return r


def frame(data, check=naive_crc):
    raw = data.encode()
    return b"##%04d%b%04X\r\n" % (len(raw), raw, check(raw))


def data(cp, *, cn=2011, flag=4, head="", mn=MN, qn="20261121090000123"):
    return frame(f"QN={qn};ST=31;CN={cn};PW=123456;MN={mn};Flag={flag};{head}CP=&&{cp}&&")


def send(payload, **more):
    return Wire(*FEED, **more).send(UP, payload)


@pytest.mark.parametrize(("vector", "values"), list(zip(VECTORS, READ, strict=True)))
def test_the_vectors_are_read_to_the_digit(vector, values):
    wire = send(vector + "\r\n")
    assert (wire.values, wire.reasons, wire.quality) == (values, [], {"good"} if values else set())
    assert crc(vector[6:-4].encode()) == int(vector[-4:], 16)


def test_the_fast_crc_is_the_standards_loop():
    for n in range(64):
        sample = bytes((n * 37 + k * 101) % 256 for k in range(n * 17))
        assert crc(sample) == naive_crc(sample)


def test_a_data_time_is_in_utc_plus_8_with_or_without_milliseconds():
    for text, ms in (("20261121090000", 0), ("20261121090000250", 250)):
        assert send(data(f"DataTime={text};a34013-Rtd=1")).times == [ms * 10**6]


@pytest.mark.parametrize(
    ("mark", "quality"),
    [("N", "good"), ("T", "uncertain"), ("X", "uncertain"), *[(mark, "bad") for mark in "FMSDCB"]],
)
def test_a_mark_is_a_quality(mark, quality):
    assert send(data(f"DataTime=20261121090000;a34013-Rtd=1,a34013-Flag={mark}")).quality == {quality}


def test_a_mark_that_stands_in_an_item_of_its_own_holds_too():
    assert send(data("DataTime=20261121090000;a34013-Rtd=1;a34013-Flag=D")).quality == {"bad"}


@pytest.mark.parametrize(
    ("cn", "name"), [(2051, "a34013_avg"), (2061, "a34013_avg_hour"), (2031, "a34013_avg_day")]
)
def test_minutes_hours_and_days_are_signals_of_their_own(cn, name):
    wire = send(
        data(
            "DataTime=20261121090000;a34013-Avg=5,a34013-Min=4,a34013-Max=6,a34013-Cou=9,a34013-Flag=N", cn=cn
        )
    )
    suffix = name.removeprefix("a34013_avg")
    expected = {
        f"dust_concentration_{kind}{suffix}": v
        for kind, v in (("avg", 5), ("min", 4), ("max", 6), ("cou", 9))
    }
    assert wire.values == expected


def test_a_factor_may_have_a_time_of_its_own():
    wire = send(data("DataTime=20261121090000;a34013-SampleTime=20261121085930,a34013-Rtd=1;a01001-Rtd=2"))
    assert wire.times == [-30 * SECOND, 0]


def test_several_times_in_one_message_hold_for_what_follows_them():
    wire = send(data("DataTime=20261121085900;a34013-Avg=1;DataTime=20261121090000;a34013-Avg=2", cn=2051))
    assert wire.times == [-60 * SECOND, 0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (data("DataTime=20261121090000;a34013-Rtd=1").replace(b"Rtd=1", b"Rtd=2"), "bad_checksum"),
        (data("DataTime=20261121090000;a34013-Rtd=1").replace(b"##0", b"##1"), "bad_length"),
        (data("DataTime=20261121090000;a34013-Rtd=1")[2:], "bad_shape"),
        (data("DataTime=20261321090000;a34013-Rtd=1"), "bad_time"),
        (data("DataTime=2026112109;a34013-Rtd=1"), "bad_time"),
        (data("a34013-Rtd=1"), "bad_time"),
        (data("DataTime=20261121090000;a34013-Rtd=abc"), "not_a_number"),
        (data("DataTime=20261121090000;a34013-Rtd="), "not_a_number"),
        (data("DataTime=20261121090000;a34013-Rtd=1_0"), "not_a_number"),
        (data("DataTime=20261121090000;a34013-Foo=1"), "unknown_code"),
        (data("", cn=8123), "unknown_code"),
        (data("DataTime=20261121090000;a34013-Rtd=1", mn=""), "bad_shape"),
        (data("DataTime=20261121090000;a34013-Rtd=1", qn="2026"), "bad_time"),
        (b"##0010ST=31;CN=20", "bad_shape"),
        (b"", "bad_shape"),
        (b"\xff\xfe", "bad_shape"),
    ],
)
def test_what_is_wrong_has_a_reason(payload, reason):
    wire = send(payload)
    assert (wire.readings, wire.reasons) == ([], [reason])


def test_a_lenient_gateway_may_send_modbus_crc_a_wrong_length_or_no_frame_and_is_uncertain():
    good = data("DataTime=20261121090000;a34013-Rtd=1")
    body = good[6:-6].decode()
    for fault in (frame(body, crc_modbus), b"##0001" + good[6:], body.encode(), good.replace(b"MN=", b"mn=")):
        if b"mn=" in fault:
            fault = frame(fault[6:-6].decode())  # noqa: PLW2901
        strict, lenient = send(fault), send(fault, lenient=True)
        assert (strict.readings, len(strict.reasons)) == ([], 1)
        assert (lenient.values, lenient.reasons) == ({"dust_concentration": 1.0}, [])
    assert send(body, lenient=True).quality == {"uncertain"}
    assert send(body, lenient=True).decoder.lenient == 1


def test_a_damaged_frame_stays_refused_for_a_lenient_gateway():
    damaged = data("DataTime=20261121090000;a34013-Rtd=1").replace(b"Rtd=1", b"Rtd=2")
    assert send(damaged, lenient=True).reasons == ["bad_checksum"]


def test_several_frames_in_one_message():
    one, two = (data(f"DataTime=2026112109000{n};a34013-Rtd={n}") for n in (1, 2))
    assert [row[2] for row in send(one + two).readings] == [1.0, 2.0]


# ── whose it is ───────────────────────────────────────────────────────────────
def test_a_device_of_another_gateway_is_the_wrong_owner():
    wire = Wire(*FEED, catalog=gateways.catalog())
    good = data("DataTime=20261121090000;pressure_drop-Rtd=1", mn="meter1")
    assert wire.send("hj212/gw2/up", good).rows.series.tolist() == [8]
    wire.send("hj212/gw1/up", good)
    assert [(one.gateway, one.reason) for one in wire.rows.rejects] == [(1, Reason.WRONG_OWNER)]
    assert wire.send("hj212/gw9/up", good).reasons == ["unknown_gateway"]
    assert wire.send("hj212/gw1/up", data("", mn="nobody")).reasons == ["unknown_device"]


def test_factors_that_the_registry_does_not_want_are_counted_and_not_rejected():
    wire = Wire(*FEED, catalog=gateways.catalog())
    wire.send("hj212/gw2/up", data("DataTime=20261121090000;pressure_drop-Rtd=1;a01001-Rtd=2", mn="meter1"))
    assert (wire.rows.value.tolist(), wire.reasons, wire.decoder.unclaimed) == ([1.0], [], 1)
    wire.send("hj212/gw2/up", data("DataTime=20261121090000;a01001-Rtd=2", mn="meter1"))
    assert wire.reasons == ["unknown_series"]


def test_a_table_says_which_signal_a_sites_own_code_is(tmp_path):
    table = tmp_path / "names.toml"
    table.write_text('[names]\n"d20105" = "voltage_a"\n"a34013-Avg" = { signal = "dust", scale = 0.1 }')
    wire = Wire(*FEED, "", str(table))
    wire.send(UP, data("DataTime=20261121090000;d20105-Rtd=220.2;a34013-Avg=15"))
    assert wire.values == {"voltage_a": 220.2, "dust": 1.5}


# ── packets ───────────────────────────────────────────────────────────────────
def packets(*cps, qn="20261121090000123"):
    return [data(cp, head=f"PNUM={len(cps)};PNO={no};", flag=6, qn=qn) for no, cp in enumerate(cps, 1)]


FIRST_CP = "DataTime=20261121090000;a34013-Rtd=1"
FIRST, SECOND_PART, THIRD = packets(FIRST_CP, "a01001-Rtd=2", "a01002-Rtd=3")


def test_packets_without_a_time_take_that_of_their_message():
    wire = Wire(*FEED)
    assert wire.send(UP, FIRST).values == {"dust_concentration": 1}
    assert wire.send(UP, SECOND_PART).values == {"ambient_temperature": 2}
    assert wire.send(UP, THIRD).values == {"humidity": 3}
    assert wire.times == [0]
    assert not wire.format._packets


def test_packets_in_another_order_wait_for_their_time():
    wire = Wire(*FEED)
    assert wire.send(UP, SECOND_PART).readings == []
    assert wire.send(UP, FIRST).values == {"dust_concentration": 1, "ambient_temperature": 2}
    assert wire.send(UP, THIRD).values == {"humidity": 3}


def test_messages_of_different_numbers_are_not_mixed():
    wire = Wire(*FEED)
    other = packets("a34013-Rtd=7", "DataTime=20261121090500;a01001-Rtd=8", qn="20261121090500000")
    wire.send(UP, other[0])
    assert wire.send(UP, FIRST).values == {"dust_concentration": 1}
    wire.send(UP, other[1])
    assert wire.times == [300 * SECOND, 300 * SECOND]


def test_a_packet_that_waits_in_vain_is_a_reject_with_its_bytes():
    wire = Wire(*FEED)
    wire.send(UP, SECOND_PART)
    assert wire.wait(NOW + PATIENCE - 1).reasons == []
    assert wire.wait(NOW + PATIENCE).reasons == ["incomplete"]
    assert wire.rows.rejects[0].payload == SECOND_PART
    assert wire.rows.received == {wire.rows.rejects[0].gateway: 1}
    assert sum(wire.decoder.gaps.values()) == 1
    assert wire.wait(NOW + 2 * PATIENCE).reasons == []


def test_the_acknowledgement_of_every_packet_waits_for_the_last_one():
    wire = Wire(*FEED)
    assert [len(wire.send(UP, part).rows.held) for part in (SECOND_PART, FIRST)] == [1, 1]
    assert wire.rows.released == ()
    wire.send(UP, THIRD)
    # That with the time goes last: should the line break between, the others never come again without it.
    assert [message.payload for message in wire.rows.released] == [SECOND_PART, THIRD, FIRST]
    assert len(wire.decoder.holding) == wire.format._n_bytes == 0


def test_packets_in_vain_are_released_with_their_reject():
    wire = Wire(*FEED)
    wire.send(UP, SECOND_PART)
    wire.wait(NOW + PATIENCE)
    assert [message.payload for message in wire.rows.released] == [SECOND_PART]
    wire.send(UP, FIRST, at=NOW + PATIENCE)
    wire.wait(NOW + 2 * PATIENCE)
    assert ([message.payload for message in wire.rows.released], wire.reasons) == ([FIRST], [])


def test_a_packet_that_comes_again_takes_the_place_of_the_first_copy():
    wire = Wire(*FEED)
    for part in (SECOND_PART, SECOND_PART, FIRST):
        wire.send(UP, part)
    assert wire.values == {"dust_concentration": 1, "ambient_temperature": 2}
    assert len(wire.decoder.holding) == 2


def test_packets_in_one_message_hold_it_once():
    wire = Wire(*FEED)
    wire.send(UP, SECOND_PART + THIRD)
    assert (len(wire.rows.held), len(wire.decoder.holding)) == (1, 1)
    wire.send(UP, FIRST)
    assert len(wire.rows.released) == 2
    assert len(wire.decoder.holding) == 0


def test_a_waiting_packet_is_answered_when_it_is_taken():
    asking = [
        data(cp, head=f"PNUM=2;PNO={no};", flag=7) for no, cp in enumerate(("a01001-Rtd=2", FIRST_CP), 1)
    ]
    wire = Wire(*FEED)
    assert wire.send(UP, asking[0]).answers == []
    assert len(wire.send(UP, asking[1]).answers) == 2


def test_what_waits_is_bounded_in_bytes_and_in_number(monkeypatch):
    monkeypatch.setattr("ingest.formats.hj212.MOST_WAITING_BYTES", 400)
    monkeypatch.setattr("ingest.formats.hj212.MOST_WAITING", 3)
    wire = Wire(*FEED)
    reasons = []
    for n in range(8):
        parts = packets("DataTime=20261121090000;a34013-Rtd=1", "a01001-Rtd=2", qn=f"2026112109000000{n}")
        reasons += wire.send(UP, parts[1]).reasons
        assert wire.format._n_bytes <= 400
        assert len(wire.format._packets) <= 3
    assert set(reasons) == {"incomplete"}


# ── answers ───────────────────────────────────────────────────────────────────
def test_data_that_asks_for_it_is_answered_with_9014():
    assert send(VECTORS[3]).answers == [("hj212/gw/down", VECTORS[5].encode() + b"\r\n")]


def test_the_answer_has_the_version_of_the_question():
    assert b";Flag=8;" in send(VECTORS[4]).answers[0][1]


def test_nothing_is_answered_that_was_refused_or_does_not_ask():
    assert send(VECTORS[3].replace("12.6", "12.7")).answers == []
    assert send(data("DataTime=20261121090000;a34013-Rtd=1", flag=4)).answers == []


def test_a_notice_is_answered_with_9013():
    assert b"CN=9013;" in send(data("PolId=a34013", cn=1013, flag=5)).answers[0][1]


# ── the option of 2025 ────────────────────────────────────────────────────────
KEY = "0123456789abcdeffedcba9876543210"


def test_sm4_ecb_as_hex_is_decrypted():
    text = b"DataTime=20261121090000;a34013-Rtd=1"
    step = Cipher(SM4(bytes.fromhex(KEY)), modes.ECB()).encryptor()
    hidden = step.update(text.ljust(-(-len(text) // 16) * 16)) + step.finalize()
    wire = Wire(*FEED, "", "", "", "", "", "", KEY)
    assert wire.send(UP, data(hidden.hex().upper(), flag=8)).values == {"dust_concentration": 1}
    assert wire.send(UP, data("ABCDEF", flag=8)).reasons == ["bad_shape"]
    assert wire.send(UP, data(text.decode(), flag=8)).values == {"dust_concentration": 1}


def test_a_key_that_is_none_stops_the_start():
    with pytest.raises(ConfigError, match="32 hexadecimal"):
        Wire(*FEED, "", "", "", "", "", "", "abc")
