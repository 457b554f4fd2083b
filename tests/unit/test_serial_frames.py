"""DL/T 645-2007, Modbus RTU, and the sums and bytes of SenML, by hand from their public specifications.

Frames are written down as they stand in the documents, or put together here digit by digit; no number comes from our
own decoder.
"""

import pytest
from fakes.foreign import NOW, Wire

SECOND = 1_000_000_000


# ── DL/T 645-2007 ─────────────────────────────────────────────────────────────
def meter(data, *, control=0x91, address="000000000161"):
    """A frame: 68, address backwards, 68, control, length, data + 33H, sum of all before it, 16."""
    body = bytes.fromhex(data.replace(" ", ""))
    head = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + bytes([control, len(body)])
    frame = head + bytes((one + 0x33) & 0xFF for one in body)
    return frame + bytes([sum(frame) & 0xFF, 0x16])


def from_meter(payload):
    return Wire("dlt645/{gateway}", "dlt645").send("dlt645/gw", payload)


ENERGY = bytes.fromhex("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16")


def test_the_frame_of_the_manual_and_the_one_made_here_are_the_same():
    assert meter("00 00 01 00 26 00 00 00") == ENERGY


# (data behind DI0 … DI3, both least byte first) → what a person reads: BCD, the standard's places after the point
METER = {
    "active energy 0.26 kWh": ("00 00 01 00  26 00 00 00", {"active_energy": 0.26}),
    "all of its digits": ("00 00 01 00  78 56 34 12", {"active_energy": 123456.78}),
    "energy that was given back": ("00 00 02 00  00 01 00 00", {"returned_energy": 1.0}),
    "the sum of both, negative": ("00 00 00 00  50 00 00 80", {"energy": -0.5}),
    "voltage of phase A 220.1 V": ("00 01 01 02  01 22", {"voltage_a": 220.1}),
    "voltages as a block": ("00 FF 01 02  01 22 99 21 05 22", {"voltage_a": 220.1, "voltage_b": 219.9, "voltage_c": 220.5}),
    "current of phase C 1.234 A": ("00 03 02 02  34 12 00", {"current_c": 1.234}),
    "a current the other way": ("00 01 02 02  34 12 80", {"current_a": -1.234}),
    "currents as a block": ("00 FF 02 02  00 05 00 00 00 00 56 34 12",
                            {"current_a": 0.5, "current_b": 0.0, "current_c": 123.456}),
    "active power 12.3456 kW": ("00 00 03 02  56 34 12", {"active_power": 12.3456}),
    "active power, given back": ("00 00 03 02  56 34 92", {"active_power": -12.3456}),
    "reactive power of phase B": ("00 02 04 02  00 10 00", {"reactive_power_b": 0.1}),
    "apparent power": ("00 00 05 02  00 00 01", {"apparent_power": 1.0}),
    "power factor 0.998": ("00 00 06 02  98 09", {"power_factor": 0.998}),
    "power factor -0.5": ("00 01 06 02  00 85", {"power_factor_a": -0.5}),
    "frequency 49.98 Hz": ("02 00 80 02  98 49", {"frequency": 49.98}),
    "current of the neutral": ("01 00 80 02  50 00 00", {"current_n": 0.05}),
}  # fmt: skip


@pytest.mark.parametrize("name", METER)
def test_a_meter_says(name):
    data, values = METER[name]
    wire = from_meter(meter(data))
    assert (wire.values, wire.reasons) == (values, [])
    assert {device for device, _, _ in wire.readings} == {"000000000161"}
    assert set(wire.times) == {0}


REFUSED = {
    "a digit changed on its way": (ENERGY[:14] + b"\x5a" + ENERGY[15:], "bad_checksum"),
    "FF for no value": (meter("00 01 01 02  FF FF"), "sentinel"),
    "no decimal digits": (meter("00 01 01 02  0A 22"), "not_a_number"),
    "an identifier that is not known here": (meter("01 02 03 04  00"), "unknown_code"),
    "too few bytes of a value": (meter("00 00 01 00  26 00"), "bad_length"),
    "cut": (ENERGY[:-3], "bad_length"),
    "the meter refuses": (meter("01", control=0xD1), "bad_quality"),
    "something else": (b"\x01\x02\x03", "bad_shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_meter_is_not_believed(name):
    payload, reason = REFUSED[name]
    assert (from_meter(payload).values, from_meter(payload).reasons) == ({}, [reason])


@pytest.mark.parametrize("payload", [
    b"\xfe\xfe\xfe\xfe" + ENERGY, ENERGY.hex().encode(), ENERGY.hex(" ").upper().encode(), ENERGY + b"\r\n",
    b"0x" + ENERGY.hex(":").encode(),
], ids=["woken up", "digits", "digits with gaps", "a line end", "digits with colons"])  # fmt: skip
def test_what_a_dtu_makes_of_a_frame(payload):
    assert from_meter(payload).values == {"active_energy": 0.26}


def test_two_meters_in_one_message_and_a_question_in_between():
    question = meter("00 00 01 00", control=0x11)
    payload = ENERGY + question + meter("00 01 01 02 01 22", address="000000000162")
    wire = from_meter(payload)
    assert wire.readings == [("000000000161", "active_energy", 0.26), ("000000000162", "voltage_a", 220.1)]
    assert wire.reasons == []


# ── Modbus RTU ────────────────────────────────────────────────────────────────
# Examples of the Modbus organisation's documents: three registers of unit 17, and a refusal of unit 10.
ANSWER = bytes.fromhex("11 03 06 AE 41 56 52 43 40 49 AD")
QUESTION = bytes.fromhex("11 03 00 6B 00 03 76 87")
REFUSAL = bytes.fromhex("0A 81 02 B0 53")


def from_line(payload, mapping=""):
    return Wire("modbus/{gateway}/{device}", "modbus", str(mapping)).send("modbus/gw/m1", payload)


def test_the_answer_of_the_documents():
    assert from_line(ANSWER).values == {"r0": 0xAE41, "r1": 0x5652, "r2": 0x4340}
    assert from_line(ANSWER.hex(" ").encode()).values == from_line(ANSWER).values


def test_a_question_holds_no_readings():
    wire = from_line(QUESTION)
    assert (wire.values, wire.reasons, wire.decoder.statuses) == ({}, [], 1)


@pytest.mark.parametrize(("payload", "reason"), [
    (REFUSAL, "bad_quality"), (ANSWER[:-1] + b"\xac", "bad_checksum"), (ANSWER[:-2] + ANSWER[:-3:-1], "bad_checksum"),
    (b"\x11\x03", "bad_length"),
], ids=["refused", "damaged", "CRC the other way round", "cut"])  # fmt: skip
def test_an_answer_is_not_believed(payload, reason):
    assert (from_line(payload).values, from_line(payload).reasons) == ({}, [reason])


# 123456.0 is 47 F1 20 00; -2 is FF FE; 70000 is 00 01 11 70; 0.5 as a half is 38 00.
@pytest.mark.parametrize(("registers", "spec", "value"), [
    ("47F1 2000", 'register = "float32"', 123456.0),
    ("2000 47F1", 'register = "float32", order = "CDAB"', 123456.0),
    ("F147 0020", 'register = "float32", order = "BADC"', 123456.0),
    ("0020 F147", 'register = "float32", order = "DCBA"', 123456.0),
    ("FFFE 0000", 'register = "int16"', -2.0),
    ("0000 FFFE", 'register = "int16", at = 1', -2.0),
    ("0001 1170", 'register = "uint32"', 70000.0),
    ("1170 0001", 'register = "uint32", order = "CDAB", scale = 0.01', 700.0),
    ("3800 0000", 'register = "float16"', 0.5),
    ("0898 0000", 'register = "uint16", scale = 0.1', 220.0),
])  # fmt: skip
def test_registers_in_every_order(tmp_path, registers, spec, value):
    mapping = tmp_path / "m.toml"
    mapping.write_text(f'[[frame]]\nfunction = 3\ncount = 2\n[frame.readings]\n"v" = {{ {spec} }}\n')
    body = b"\x01\x03\x04" + bytes.fromhex(registers.replace(" ", ""))
    assert from_line(body + crc_by_bits(body), mapping).values == {"v": value}


def crc_by_bits(data):
    """CRC-16 as the Modbus specification draws it: a shift register, bit by bit; low byte first."""
    r = 0xFFFF
    for byte in data:
        r ^= byte
        for _ in range(8):
            r = (r >> 1) ^ 0xA001 if r & 1 else r >> 1
    return bytes([r & 0xFF, r >> 8])


def test_the_crc_here_is_that_of_the_documents():
    assert crc_by_bits(ANSWER[:-2]) == ANSWER[-2:]
    assert crc_by_bits(REFUSAL[:-2]) == REFUSAL[-2:]


# ── SenML: base values, sums and CBOR (RFC 8428, RFC 8949) ────────────────────
def senml(payload, at=NOW):
    return Wire("senml/{gateway}/{device}", "senml").send("senml/gw/d", payload, at=at)


@pytest.mark.parametrize(("pack", "values"), [
    ('[{"bs":100,"n":"e","s":20.5}]', {"e_sum": 120.5}),
    ('[{"bs":100,"n":"e","v":3},{"n":"f","v":4,"s":1}]', {"e": 3, "e_sum": 100, "f": 4, "f_sum": 101}),
    ('[{"n":"e","v":3,"s":7}]', {"e": 3, "e_sum": 7}),
    ('[{"bv":10,"n":"a","v":0.5},{"n":"b","v":-1}]', {"a": 10.5, "b": 9}),
    ('[{"bv":10,"n":"a","v":1},{"bv":0,"n":"b","v":1}]', {"a": 11, "b": 1}),
    ('[{"bv":10,"n":"a","vb":true}]', {"a": 1}),
])  # fmt: skip
def test_base_values_and_sums_are_added(pack, values):
    wire = senml(pack)
    assert (wire.values, wire.reasons) == (values, [])


def test_times_are_added_and_small_ones_count_from_arrival():
    wire = senml('[{"bt":-10,"n":"a","v":1},{"n":"b","t":4,"v":1},{"bt":1795222800,"n":"c","t":-2.5,"v":1}]')
    assert wire.times == [-10 * SECOND, -6 * SECOND, -25 * SECOND // 10]


# One record {0: "a", 2: number}; numbers from RFC 8949, appendix A.
@pytest.mark.parametrize(("number", "value"), [
    ("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1a000f4240", 1_000_000), ("20", -1), ("3903e7", -1000),
    ("f93e00", 1.5), ("f90001", 5.960464477539063e-8), ("fa47c35000", 100_000.0), ("fb3ff199999999999a", 1.1),
    ("c48221196ab3", 273.15), ("c5822003", 1.5), ("c249010000000000000000", 18446744073709551616.0),
])  # fmt: skip
def test_numbers_of_cbor(number, value):
    wire = senml(bytes.fromhex("81a2 00 6161 02".replace(" ", "") + number))
    assert (wire.values, wire.reasons) == ({"a": value}, [])


@pytest.mark.parametrize(("pack", "values", "reasons"), [
    ("9fa2006161020aff", {"a": 10}, []),  # an array without a length
    ("81bf0061610205ff", {"a": 5}, []),  # a map without one
    ("81a2007f6161616bff0205", {"ak": 5}, []),  # a text in pieces
    ("82a3216378303a0061610201a20061620202", {"a": 1, "b": 2}, []),  # a base name; the topic names the device
    ("81a200616104f5", {"a": 1}, []),
    ("81a20061610203 00", {}, ["bad_shape"]),  # something behind it
    ("81a200616102", {}, ["bad_shape"]),  # cut
    ("81a2006161027e", {}, ["bad_shape"]),  # no CBOR
    ("81a2006161 02f97e00", {}, ["not_a_number"]),  # NaN
    ("81a2006161 03626f6b", {}, ["not_a_number"]),  # a text
    ("a1006161", {}, ["bad_shape"]),  # no array
])  # fmt: skip
def test_items_of_cbor(pack, values, reasons):
    wire = senml(bytes.fromhex(pack.replace(" ", "")))
    assert (wire.values, wire.reasons) == (values, reasons)
