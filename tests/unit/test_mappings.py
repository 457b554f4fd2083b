"""Every shipped mapping reads its own sample; what is wrong in a mapping file is told."""

from datetime import datetime
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.time import DAY, from_datetime
from ingest.columns import Message, Tolerance
from ingest.decode import Decoder
from ingest.feed import Feed
from ingest.formats.mapping_file import load_mapping, shipped
from ingest.open_catalog import OpenCatalog

ARRIVED = 1_795_222_810_000_000_000  # ten seconds after most of the samples
FAR = Tolerance(future=40_000 * DAY, age=40_000 * DAY)


def read(feed, payload, *, topic="", **more):
    """Return (rows as (device, signal, value, t), reasons, replies) in a registry where everything exists."""
    everything = OpenCatalog(**more)
    decoder = Decoder([feed], everything.catalog, tolerance=FAR)
    payload = payload if isinstance(payload, bytes) else payload.encode()
    rows = decoder.decode([Message(topic or feed.filter, payload, ARRIVED)], ARRIVED)
    taken = [
        (*everything.owner[series][1:], value, t)
        for series, value, t in zip(rows.series.tolist(), rows.value.tolist(), rows.t.tolist(), strict=True)
    ]
    return taken, [reject.reason for reject in rows.rejects], rows.replies


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_mapping_reads_its_own_sample(name):
    mapping = load_mapping(name)
    taken, reasons, _ = read(
        Feed(mapping.topic, "mapping", name), mapping.sample["payload"], topic=mapping.sample["topic"]
    )
    expected = [
        (device, signal, value, from_datetime(datetime.fromisoformat(t)) if t else ARRIVED)
        for device, signal, value, t in mapping.sample["expect"]
    ]
    assert sorted(taken) == sorted(expected)
    assert reasons == mapping.sample.get("reject", [])


@pytest.fixture
def mapping_file(tmp_path):
    def write(text):
        path = tmp_path / "vendor.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def of(text, mapping_file, payload, **more):
    return read(Feed("x/{device}", "mapping", mapping_file(text)), payload, topic="x/d", **more)


def test_wildcards_over_arrays_and_objects_name_their_signals(mapping_file):
    text = '[readings]\n"/emeters/*/power" = { signal = "active_power_{}", index = ["a", "b"] }\n"/t/*" = "temperature_{}"'
    taken, _, _ = of(text, mapping_file, '{"emeters":[{"power":1},{"power":2}],"t":{"1":20,"2":21}}')
    assert [row[1:3] for row in taken] == [
        ("active_power_a", 1), ("active_power_b", 2), ("temperature_1", 20), ("temperature_2", 21),
    ]  # fmt: skip


def test_scale_offset_polarity_words_and_null(mapping_file):
    text = """[readings]
    "/t" = { signal = "temperature", scale = 0.1, offset = -40 }
    "/door" = { signal = "closed", invert = true }
    "/fan" = { signal = "fan_running", words = { "run" = 1, "stop" = 0 } }
    "/none" = "nothing" """
    taken, reasons, _ = of(text, mapping_file, '{"t":650,"door":true,"fan":"run","none":null}')
    assert [row[1:3] for row in taken] == [("temperature", 25.0), ("closed", 0.0), ("fan_running", 1.0)]
    assert reasons == []


def test_a_text_is_a_number_only_where_the_file_says_so(mapping_file):
    text = '[readings]\n"/a" = { signal = "a", text = true }\n"/b" = "b"'
    taken, reasons, _ = of(text, mapping_file, '{"a":" 1.5 ","b":"1.5"}')
    assert [row[1:3] for row in taken] == [("a", 1.5)]
    assert reasons == ["not_a_number"]


def test_a_pointer_escapes_slash_and_tilde(mapping_file):
    taken, _, _ = of('[readings]\n"/a~1b/c~0d" = "x"', mapping_file, '{"a/b":{"c~d":3}}')
    assert [row[1:3] for row in taken] == [("x", 3)]


def test_a_time_that_fits_no_format_is_one_reject(mapping_file):
    text = '[time]\npointer = "/t"\nformats = ["%d.%m.%Y"]\n[readings]\n"/a" = "a"'
    assert of(text, mapping_file, '{"t":"2026-11-21","a":1}')[:2] == ([], ["bad_time"])


def test_naive_times_are_in_the_gateways_zone_unless_the_file_names_one(mapping_file):
    text = '[time]\npointer = "/t"\n{}[readings]\n"/a" = "a"'
    for zone, line, hour in (("Asia/Urumqi", "", 6), ("Asia/Shanghai", 'zone = "UTC"\n', 0)):
        taken, _, _ = of(text.format(line), mapping_file, '{"t":"2026-11-21 09:00","a":1}', zone=zone)
        midnight = from_datetime(datetime.fromisoformat("2026-11-21T09:00:00+00:00"))
        assert taken[0][3] == midnight - hour * 3600 * 10**9


def test_a_ratio_of_the_device_multiplies(mapping_file):
    text = '[readings]\n"/i" = { signal = "i", times = ["/ct", "/missing"] }'
    assert of(text, mapping_file, '{"i":2.5,"ct":40}')[0][0][2] == 100.0


def test_a_login_gets_its_answer(tmp_path):
    feed = Feed("acrel/{gateway}/up", "mapping", "acrel_adl400")
    taken, reasons, replies = read(feed, '{"type":"login","gwSN":"1"}', topic="acrel/g/up")
    assert (taken, reasons) == ([], [])
    assert [(reply.topic, reply.payload) for reply in replies] == [
        ("acrel/g/down", b'{"type":"login","res":1}')
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[readings]\n"a" = "b"', "no pointer"),
        ('[readings]\n"/a" = 3', "expected a signal"),
        ('[readings]\n"/a" = { signal = "b", scael = 2 }', "scael"),
        ("colour = 1", "colour"),
        ('[time]\nzone = "Mars/Base"', "time zone"),
        ('[readings]\n"/a" = { signal = "b", register = "float31" }', "float31"),
        ("= 3", "no TOML"),
        ("[[list]]\neach = '/a'", "[[list]]"),
    ],
)
def test_a_mistake_in_a_file_says_where_and_what(text, where, mapping_file):
    with pytest.raises(ConfigError, match=r"vendor\.toml") as caught:
        load_mapping(mapping_file(text))
    assert where in str(caught.value)


def test_a_mapping_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match="compere_kpm33b"):
        load_mapping("nobody")


def test_the_example_of_the_manual_can_be_used(mapping_file):
    text = (Path(__file__).resolve().parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
    example = next(part for part in text.split("```") if part.startswith("toml\ntitle"))
    mapping = load_mapping(mapping_file(example.removeprefix("toml\n")))
    taken, reasons, _ = read(
        Feed(mapping.topic, "mapping", mapping_file(example.removeprefix("toml\n"))),
        '{"type":"data","id":"m1","batch":[{"id":"m1","ua":220.5,"time":"20261121090000"}]}',
        topic="vendor/gw1/up",
    )
    assert ("m1", "voltage_a", 220.5) in [row[:3] for row in taken]
    assert reasons == []
