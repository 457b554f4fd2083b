"""The captured messages of real gateways become what a person reads in them (tests/naive/payload_table.py)."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.formats.registers import Register
from service.decoding import Captured, Reading, Wish, captured, plain
from tests.naive import payload_table as table

PAYLOADS = Path(__file__).resolve().parents[3] / "shared" / "data" / "payloads"
pytestmark = pytest.mark.skipif(
    not PAYLOADS.exists(), reason="the evaluation data do not stand at ../shared/data"
)
NOW = 1_795_222_800_000_000_000
CHINA = ZoneInfo("Asia/Shanghai")


def captures(name):
    return (
        {one.label: one for one in captured(PAYLOADS / name / "messages.jsonl")} if PAYLOADS.exists() else {}
    )


def ns(text):
    """Return a local time of the table, exactly; "" = arrival."""
    if not text:
        return NOW
    moment = datetime.fromisoformat(text).replace(tzinfo=CHINA)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def found(result):
    """Return {name: value} of a result, a `?` behind the names of readings that are not good."""
    return {row["name"] + ("" if row["quality"] == "good" else "?"): row["value"] for row in result["rows"]}


def reasons(result):
    return [reject["reason"] for reject in result["rejects"]]


def check(result, *, device, time, values, refused):
    assert reasons(result) == refused, result["rejects"]
    assert found(result) == values
    assert len(result["rows"]) == len(values)
    assert {row["t_ns"] for row in result["rows"]} <= {ns(time)}
    if device is not None:
        assert {row["device"] for row in result["rows"]} <= {device}


@pytest.mark.parametrize("label", table.HJ212)
def test_hj212_as_of_a_strict_gateway(label):
    device, time, values, refused = table.HJ212[label]
    result = Reading(Wish(form="hj212")).read(captures("hj212")[label], NOW)
    check(result, device=device, time=time, values=values, refused=refused)


@pytest.mark.parametrize("label", table.HJ212)
def test_hj212_as_of_a_lenient_gateway(label):
    device, time, values, refused = table.HJ212_LENIENT.get(label, table.HJ212[label])
    result = Reading(Wish(form="hj212", lenient=True)).read(captures("hj212")[label], NOW)
    check(result, device=device, time=time, values=values, refused=refused)


@pytest.mark.parametrize("label", table.MQTT_JSON)
def test_json_of_many_vendors_is_recognised_and_read(label):
    form, device, time, values, refused = table.MQTT_JSON[label]
    result = Reading(Wish()).read(captures("mqtt_json")[label], NOW)
    assert result["format"] == form
    check(result, device=device, time=time, values=values, refused=refused)


@pytest.mark.parametrize("label", table.MANY)
def test_messages_of_several_devices_and_instants(label):
    result = Reading(Wish()).read(captures("mqtt_json")[label], NOW)
    read = [(row["device"], row["name"], row["value"], row["t_ns"]) for row in result["rows"]]
    assert read == [(*row[:3], ns(row[3])) for row in table.MANY[label]]
    assert reasons(result) == []


def test_no_captured_message_is_left_out():
    assert captures("hj212").keys() == table.HJ212.keys()
    assert captures("mqtt_json").keys() == table.MQTT_JSON.keys() | table.MANY.keys()


def senml(payload):
    result = Reading(Wish(form="senml")).read(Captured("x", "senml/any", payload), NOW)
    read = [
        (row["device"], row["name"], row["value"], None if row["t_ns"] == NOW else row["t_ns"])
        for row in result["rows"]
    ]
    return read, reasons(result)


def cut(name):
    """Return (device, signal) of a full name, as docs/wire.md says."""
    if name.count(":") == 4 and name.startswith("urn"):
        device, _, signal = name.rpartition(":")
        return device, signal
    device, slash, signal = name.rpartition("/")
    return (device, signal) if slash else (name, "value")


@pytest.mark.parametrize("name", table.SENML)
@pytest.mark.parametrize("suffix", ["json", "gen.json"])
def test_senml_examples_of_the_rfc(name, suffix):
    read, refused = senml((PAYLOADS / "senml" / f"{name}.{suffix}").read_bytes())
    assert read == [
        (*cut(full), value, None if t is None else round(t * 1e6) * 1000)
        for full, value, t in table.SENML[name]
    ]
    assert refused == (["not_a_number", "not_a_number"] if name == "ex7" else [])


def test_senml_as_cbor_says_the_same_as_its_json():
    text = (PAYLOADS / "senml" / "ex3.gen.cbor.hex").read_text()
    raw = bytes.fromhex("".join(line.split("|")[0][5:] for line in text.splitlines()))
    assert senml(raw) == senml((PAYLOADS / "senml" / "ex3.json").read_bytes())
    assert (PAYLOADS / "senml" / "ex3.gen.cbor").read_bytes() == raw


@pytest.mark.parametrize("name", ["ex2", "ex3", "ex4", "ex6", "ex11"])
def test_the_resolved_form_of_senml_says_the_same(name):
    text = json.loads((PAYLOADS / "senml" / f"{name}.gen.resolved.json").read_text())
    original = table.SENML[name]
    assert [(one["n"], one["v"]) for one in text] == [(full, value) for full, value, _ in original]
    read, _ = senml(json.dumps(text).encode())
    assert [row[2] for row in read] == [value for _, value, _ in original]


def test_sparkplug_vectors_in_their_order():
    vectors = json.loads((PAYLOADS / "sparkplug" / "test_vectors.json").read_text())["vectors"]
    reading = Reading(Wish(form="sparkplug"))
    for vector in vectors:
        topic = f"spBv1.0/g/{vector['message_type']}/e"
        result = reading.read(Captured("x", topic, plain(vector["base64"].encode())), NOW)
        read = [(row["name"], row["value"], row["t_ns"]) for row in result["rows"]]
        assert read == [(name, value, ns(t)) for name, value, t in table.SPARKPLUG[vector["name"]]]
        assert reasons(result) == []


def registers(name):
    return json.loads((PAYLOADS / "thingsboard_modbus" / name).read_text())


def test_register_values_as_texts():
    body = json.dumps(registers("holding_registers_values_big.json")).encode()
    result = Reading(Wish(mapping="register_values")).read(Captured("x", "registers/g/d", body), NOW)
    assert found(result) == table.REGISTERS_BIG


@pytest.mark.parametrize("tag", ["16int", "16uint", "32int", "32uint", "64int", "64uint"])
def test_the_same_registers_read_in_the_other_order_give_the_other_values(tag):
    """Two files hold what another gateway read from the same registers, big- and little-endian."""
    big, little = (registers(f"holding_registers_values_{order}.json") for order in ("big", "little"))
    kind = ("u" if tag.endswith("uint") else "") + f"int{tag[:2]}"
    n_bytes = int(tag[:2]) // 8
    raw = int(big[tag]).to_bytes(n_bytes, "big", signed=int(big[tag]) < 0)
    words = [int.from_bytes(raw[place : place + 2], "big") for place in range(0, n_bytes, 2)]
    assert Register(kind, "ABCD").value(words) == float(big[tag])
    assert Register(kind, "DCBA").value(words) == pytest.approx(float(little[tag]), rel=1e-12)
